"""The files of a labelling, which a later call continues: extended XYZ, to which frame after frame is appended."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np

from openmm_polarmp.training.labelling.protocol import PROVENANCE, RESPONSE, Provenance, total_charge

LARGEST_DIFFERENCE = 1e-6
"""A, of positions and cells that are the same; extended XYZ has eight digits of them."""


@dataclass(frozen=True)
class Task:
    """What is asked for.

    Attributes
    ----------
    frames : sequence of ase.Atoms
        The structures.
    provenance : Provenance
        Where labels come from.
    response : bool
        Whether Born charges and polarizability are labels too.
    """

    frames: Sequence[ase.Atoms]
    provenance: Provenance
    response: bool

    def append(self, path: Path, number: int, frame: ase.Atoms) -> None:
        """Add the frame with this number to a file, with all by which `difference` knows it."""
        frame.info |= {"frame": number, **self._entries()}
        text = io.StringIO()
        ase.io.write(text, frame, format="extxyz")
        with path.open("a") as stream:
            stream.write(text.getvalue())

    def difference(self, frame: ase.Atoms) -> str:
        """What a frame from a file has that is not asked for; empty if it is one of this task's.

        Files of earlier versions do not say everything; what they do not say is taken to be right.
        """
        for entry, value in self._entries().items():
            if frame.info.get(entry, value) != value:
                return f"{entry} {frame.info[entry]}, while {value} is asked for"
        number = int(frame.info["frame"])
        if number < len(self.frames) and not _same_structure(frame, self.frames[number]):
            return f"another structure as frame {number} than the one that is asked for"
        return ""

    def _entries(self) -> dict[str, str | bool]:
        return {**dict(zip(PROVENANCE, self.provenance.entries(), strict=True)), RESPONSE: self.response}

    def done(self, out: Path) -> set[int]:
        """Numbers of the labelled frames in a file; an incomplete one at its end, from an interruption, is removed.

        Raises
        ------
        ValueError
            If it has any other frames: labels of two methods in one file would train a model of neither.
        """
        numbers = set()
        found = read(out)
        for frame, _ in found:
            if other := self.difference(frame):
                raise ValueError(
                    f"out is {str(out)!r}, whose frames have {other}; a new file, or the call that made this one, is accepted"
                )
            numbers.add(int(frame.info["frame"]))
        if stray := sorted(n for n in numbers if n >= len(self.frames)):
            raise ValueError(
                f"out is {str(out)!r}, which has a frame {stray[0]}; files of these {len(self.frames)} frames are accepted"
            )
        _keep(out, found)
        return numbers

    def failed(self, failures: Path) -> set[int]:
        """Numbers of the frames that did not converge in this task; what the file has of others is removed."""
        try:
            found = read(failures)
        except ValueError:  # of an earlier version, which does not say by which method
            found = []
        own = [(f, text) for f, text in found if not self.difference(f) and int(f.info["frame"]) < len(self.frames)]
        _keep(failures, own)
        return {int(frame.info["frame"]) for frame, _ in own}


def read(path: Path) -> list[tuple[ase.Atoms, str]]:
    """The complete frames in a file, and their texts; an incomplete one at its end, from an interruption, is not among them."""
    lines = path.read_text().splitlines(keepends=True)
    found: list[tuple[ase.Atoms, str]] = []
    at = 0
    while at < len(lines):
        size = lines[at].strip()
        if not size.isdigit():
            raise ValueError(
                f"out is {str(path)!r}, whose line {at + 1} is {size[:40]!r}; an extended XYZ file of this command is accepted"
            )
        end = at + 2 + int(size)
        if end > len(lines) or not lines[end - 1].endswith("\n"):
            break
        text = "".join(lines[at:end])
        (frame,) = ase.io.iread(io.StringIO(text), format="extxyz")
        if "frame" not in frame.info:
            raise ValueError(
                f"out is {str(path)!r}, whose frame {len(found)} has no number; files of this command are accepted"
            )
        found.append((frame, text))
        at = end
    return found


def _keep(path: Path, frames: Sequence[tuple[ase.Atoms, str]]) -> None:
    """Remove all else from a file, if there is anything."""
    text = "".join(text for _, text in frames)
    if text != path.read_text():
        path.write_text(text)


def sort(out: Path) -> None:
    """Write the frames of a file in the order of their numbers, if they are in another."""
    found = [(int(frame.info["frame"]), text) for frame, text in read(out)]
    if found != sorted(found):
        new = out.with_name(out.name + ".sorted")
        new.write_text("".join(text for _, text in sorted(found)))
        new.replace(out)


def _same_structure(a: ase.Atoms, b: ase.Atoms) -> bool:
    if not np.array_equal(a.numbers, b.numbers) or not np.array_equal(a.pbc, b.pbc):
        return False
    pairs = [(a.positions, b.positions), (a.cell.array, b.cell.array), (total_charge(a), total_charge(b))]
    pairs.append(tuple(frame.info.get("external_field", np.zeros(3)) for frame in (a, b)))
    return all(np.allclose(x, y, rtol=0, atol=LARGEST_DIFFERENCE, equal_nan=True) for x, y in pairs)
