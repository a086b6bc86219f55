"""Equally spaced series in comma-separated files, read in pieces, so that long ones need little memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

TIME = "time (ps)"


class Table:
    """Columns of a reporter's file.

    Parameters
    ----------
    path : str or Path
        CSV file of a reporter.
    columns : sequence of str
        Names in the header.

    Attributes
    ----------
    interval : float
        Time between two rows, ps.
    rows : int or None
        Number of complete rows; None before all are read.
    cut_off : bool
        Whether the last line is incomplete, as after an interruption; it is left out.
    """

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self.path, self.columns = Path(path), list(columns)
        if not self.path.is_file():
            raise FileNotFoundError(f"path is {str(path)!r}; an existing file is accepted")
        with self.path.open() as stream:
            head = next(csv.reader([stream.readline()]), [])
            first = [stream.readline() for _ in range(2)]
        missing = [name for name in [TIME, *self.columns] if name not in head]
        if missing:
            raise ValueError(
                f"path is {str(path)!r} with the columns {', '.join(head) or '(none)'}; files with a column "
                f"{missing[0]!r} are accepted"
            )
        self._places = [head.index(name) for name in [TIME, *self.columns]]
        self._width, self._head = len(head), head
        times = [float(line.split(",")[self._places[0]]) for line in first if line.count(",") == self._width - 1]
        if len(times) < 2:
            raise ValueError(f"path is {str(path)!r} with {len(times)} rows; at least two rows are accepted")
        self.interval = times[1] - times[0]
        self.rows: int | None = None
        self.cut_off = False

    def pieces(self, size: int, overlap: int = 0) -> Iterator[np.ndarray]:
        """Arrays [size, columns] of consecutive rows, each of which begins ``overlap`` rows before the last one's end."""
        rows: list[list[float]] = []
        count, last = 0, None
        with self.path.open() as stream:
            stream.readline()
            for line in stream:
                parts = line.rstrip("\n").split(",")
                if count and parts[0] == self._head[0]:
                    raise ValueError(
                        f"path is {str(self.path)!r}, which has its titles again after row {count}: the files of two runs in "
                        "one; a reporter with append=True continues a file"
                    )
                if len(parts) != self._width or not line.endswith("\n"):
                    self.cut_off = True
                    break
                time = float(parts[self._places[0]])
                if last is not None and abs(time - last - self.interval) > 0.02 * self.interval:
                    raise ValueError(
                        f"path is {str(self.path)!r}, where {time:.12g} ps in row {count + 1} follows {last:.12g} ps; rows at "
                        f"equal intervals, here {self.interval:g} ps, are accepted"
                    )
                last = time
                rows.append([float(parts[place]) for place in self._places[1:]])
                count += 1
                if len(rows) == size:
                    yield np.array(rows)
                    rows = rows[size - overlap :]
        self.rows = count


def read_columns(path: str | Path, columns: Sequence[str]) -> tuple[float, np.ndarray]:
    """Interval (ps) and all rows of these columns of a short series."""
    table = Table(path, columns)
    pieces = list(table.pieces(1))
    return table.interval, np.concatenate(pieces)


def has_column(path: str | Path, column: str) -> bool:
    """Whether a reporter's file has a column of this name."""
    with Path(path).open() as stream:
        return column in next(csv.reader([stream.readline()]), [])
