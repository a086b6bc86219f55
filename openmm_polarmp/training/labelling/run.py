"""Labelling many frames: restartable, in several processes, failures named and left out."""

from __future__ import annotations

import io
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import ase
import ase.io

from openmm_polarmp.training.labelling.methods import method_of
from openmm_polarmp.training.labelling.protocol import (
    PROVENANCE,
    Labels,
    Method,
    NotConverged,
    Provenance,
    with_labels,
)

Results = list[Labels | NotConverged]


def label(
    frames: Sequence[ase.Atoms],
    out: str | Path,
    *,
    method: str = "gfn2",
    response: bool = False,
    processes: int = 1,
    progress: Callable[[int, str], None] | None = None,
    **settings: Any,
) -> list[int]:
    """Label frames, and write each to an extended XYZ file as soon as it is done.

    A call with the same arguments continues after an interruption. Labelled frames keep their other entries of ``info``
    and their arrays, and ``info`` says which frame it was and by which method, version and settings it was labelled.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        Structures; a missing ``info["total_charge"]`` (e) is 0.
    out : str or Path
        Extended XYZ file to write; OUT.failed beside it lists the frames that did not converge.
    method : str
        One of `METHODS`, see `method_of`.
    response : bool
        Also Born charges (e) and polarizability (e^2 A^2/eV) of clusters, as far as the method has them.
    processes : int
        Number of processes; frames are then written in the order in which they are done, and sorted at the end.
    progress : callable, optional
        Called after each frame with its number and the outcome.
    **settings
        Of the method, see `method_of`.

    Returns
    -------
    list of int
        Numbers of the frames that did not converge.
    """
    if processes < 1:
        raise ValueError(f"processes is {processes}; a positive integer is accepted")
    chosen = method_of(method, **settings)
    out, failures = Path(out), Path(f"{out}.failed")
    done = set(finished(out, chosen.provenance)) if out.is_file() else set()
    failed = {int(line.split()[0]) for line in failures.read_text().splitlines()} if failures.is_file() else set()
    if stray := sorted(n for n in done | failed if n >= len(frames)):
        raise ValueError(
            f"out is {str(out)!r}, which has a frame {stray[0]}; files of these {len(frames)} frames are accepted"
        )
    todo = [n for n in range(len(frames)) if n not in done and n not in failed]
    groups = _groups(frames, todo, chosen.atoms_at_once)
    if processes == 1:
        results: Iterator[tuple[list[int], Results]] = (
            (group, chosen.calculate([frames[n] for n in group], response)) for group in groups
        )
    else:
        results = _in_processes(frames, groups, method, settings, response, processes)
    for group, labels in results:
        for number, result in zip(group, labels, strict=True):
            if isinstance(result, NotConverged):
                failed.add(number)
                with failures.open("a") as stream:
                    stream.write(f"{number} {' '.join(str(result).split())}\n")
            else:
                labelled = with_labels(frames[number], result, chosen.provenance)
                labelled.info["frame"] = number
                with out.open("a") as stream:
                    stream.write(_text(labelled))
            if progress is not None:
                progress(number, f"not converged: {result}" if isinstance(result, NotConverged) else "done")
    if out.is_file():
        _sort(out)
    return sorted(failed)


def _groups(frames: Sequence[ase.Atoms], numbers: Sequence[int], atoms_at_once: int) -> Iterator[list[int]]:
    """Frames that are calculated together."""
    group: list[int] = []
    atoms = 0
    for n in numbers:
        if group and atoms + len(frames[n]) > atoms_at_once:
            yield group
            group, atoms = [], 0
        group.append(n)
        atoms += len(frames[n])
    if group:
        yield group


_method: Method  # of a worker process


def _start_worker(name: str, settings: dict[str, Any]) -> None:
    global _method
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the libraries that the method loads
    _method = method_of(name, **settings)


def _calculate(frames: list[ase.Atoms], response: bool) -> Results:
    return _method.calculate(frames, response)


def _in_processes(
    frames: Sequence[ase.Atoms],
    groups: Iterator[list[int]],
    name: str,
    settings: dict[str, Any],
    response: bool,
    processes: int,
) -> Iterator[tuple[list[int], Results]]:
    """Results of the groups in the order in which they are done."""
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, spawn, initializer=_start_worker, initargs=(name, settings))
    running: dict[Future[Results], list[int]] = {}
    try:
        more = True
        while more or running:
            while more and len(running) < 2 * processes:
                group = next(groups, None)
                more = group is not None
                if group is not None:
                    running[pool.submit(_calculate, [frames[n] for n in group], response)] = group
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _text(frame: ase.Atoms) -> str:
    text = io.StringIO()
    ase.io.write(text, frame, format="extxyz")
    return text.getvalue()


def _sort(out: Path) -> None:
    """Write the frames of a file in the order of their numbers, if they are in another."""
    numbers, texts = _read(out)
    if numbers != sorted(numbers):
        text = "".join(t for _, t in sorted(zip(numbers, texts, strict=True)))
        new = out.with_name(out.name + ".sorted")
        new.write_text(text)
        new.replace(out)


def finished(out: Path, provenance: Provenance) -> list[int]:
    """Numbers of the complete frames in a file; an incomplete one at its end, from an interruption, is removed.

    Parameters
    ----------
    out : Path
        A file of `label`.
    provenance : Provenance
        What the frames must come from: labels of two methods in one file would train a model of neither.
    """
    numbers, texts = _read(out, provenance)
    text = "".join(texts)
    if len(text) < len(out.read_text()):
        out.write_text(text)
    return numbers


def _read(out: Path, provenance: Provenance | None = None) -> tuple[list[int], list[str]]:
    """Numbers and texts of the complete frames in a file, all from this method if one is told."""
    lines = out.read_text().splitlines(keepends=True)
    numbers: list[int] = []
    texts: list[str] = []
    at = 0
    while at < len(lines):
        size = lines[at].strip()
        end = at + 2 + int(size) if size.isdigit() else len(lines) + 1
        if end > len(lines) or not lines[end - 1].endswith("\n"):
            break
        text = "".join(lines[at:end])
        (frame,) = ase.io.iread(io.StringIO(text), format="extxyz")
        if "frame" not in frame.info:
            raise ValueError(
                f"out is {str(out)!r}, whose frame {len(numbers)} has no number; files of this command are accepted"
            )
        if provenance is not None and (other := _difference(frame, provenance)):
            raise ValueError(
                f"out is {str(out)!r}, whose frames have {other}; a new file, or the method that made this one, is accepted"
            )
        numbers.append(int(frame.info["frame"]))
        texts.append(text)
        at = end
    return numbers, texts


def _difference(frame: ase.Atoms, provenance: Provenance) -> str:
    """The entry of a labelled frame that says that it comes from somewhere else; empty if none does."""
    for entry, value in zip(PROVENANCE, provenance.entries(), strict=True):
        if frame.info.get(entry, value) != value:
            return f"{entry} {frame.info[entry]}, while {value} is asked for"
    return ""
