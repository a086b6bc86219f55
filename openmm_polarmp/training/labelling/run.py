"""Labelling many frames: restartable, in several processes, failures named and left out."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import ase

from openmm_polarmp.training.labelling.files import Task, sort
from openmm_polarmp.training.labelling.methods import method_of
from openmm_polarmp.training.labelling.protocol import FAILED, Labels, Method, NotConverged, with_labels

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

    A call with the same arguments continues after an interruption, one with other structures, another method or ``response``
    is refused. Labelled frames keep their other entries of ``info``
    and their arrays, and ``info`` says which frame it was and by which method, version and settings it was labelled.

    Parameters
    ----------
    frames : sequence of ase.Atoms
        Structures; a missing ``info["total_charge"]`` (e) is 0.
    out : str or Path
        Extended XYZ file to write; OUT.failed beside it, of the same format, has the frames that did not converge, with the
        reason as ``info["failed"]``.
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
    task = Task(frames, chosen.provenance, response)
    out, failures = Path(out), Path(f"{out}.failed")
    done = task.done(out) if out.is_file() else set()
    if not out.is_file():
        failures.unlink(missing_ok=True)  # of a file that is gone
    failed = task.failed(failures) if failures.is_file() else set()
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
                without_labels = frames[number].copy()
                without_labels.info[FAILED] = " ".join(str(result).split())
                task.append(failures, number, without_labels)
            else:
                task.append(out, number, with_labels(frames[number], result, chosen.provenance))
            if progress is not None:
                progress(number, f"not converged: {result}" if isinstance(result, NotConverged) else "done")
    if out.is_file():
        sort(out)
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
