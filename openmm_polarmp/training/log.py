"""The log of a run: a CSV file, TensorBoard if it is installed, and the line on the screen."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import Any

from openmm_polarmp._files import write_atomically

LINE_SECONDS = 60.0
"""Between two lines of an epoch in a file."""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the whole log again: it is small, and a resumed run then repeats no row."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


class TensorBoard:
    """Writes the log for TensorBoard, where that is installed.

    Parameters
    ----------
    folder : Path
        Folder of its files.
    enabled : bool
        False: nothing is written.
    """

    def __init__(self, folder: Path, enabled: bool) -> None:
        self.writer = None
        if enabled:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self.writer = SummaryWriter(folder)

    def add(self, row: dict[str, Any]) -> None:
        """Write the row of an epoch."""
        if self.writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self.writer.add_scalar(name, value, row["epoch"])
            self.writer.flush()


class Progress:
    """Prints a line for each epoch, and on a terminal a progress bar within it.

    Parameters
    ----------
    quiet : bool
        Print nothing.
    total_steps : int
        Number of steps of the run.
    first_step : int
        Number of steps that an earlier part of the run has done.
    """

    def __init__(self, quiet: bool, total_steps: int, first_step: int) -> None:
        self.quiet, self.total, self.first = quiet, total_steps, first_step
        self.terminal = sys.stdout.isatty()
        self.start = self.shown = time.monotonic()

    def step(self, epoch: int, of_epoch: str, step: int, loss: float, force_rmse: float) -> None:
        """Update the bar after a step, twice a second at most; in a file a line, once a minute at most.

        Parameters
        ----------
        epoch : int
        of_epoch : str
            The step within the epoch and their number, as ``3/50``.
        step : int
            Of the run.
        loss, force_rmse : float
            Of the last step, and the mean of the epoch so far (eV/A).
        """
        now = time.monotonic()
        if self.quiet or now - self.shown < (0.5 if self.terminal else LINE_SECONDS):
            return
        self.shown = now
        if not self.terminal:
            forces = f"forces {1e3 * force_rmse:.1f} meV/A"
            print(
                f"epoch {epoch:4d}  step {of_epoch}  loss {loss:.3g}  {forces}  {self.time_left(step)} left", flush=True
            )
            return
        bar = "#" * int(20 * step / self.total)
        left = self.time_left(step)
        text = f"\r[{bar:20}] epoch {epoch}, step {of_epoch}, loss {loss:.3g}, forces {1e3 * force_rmse:.1f} meV/A, {left} left "
        print(f"{text:<95}", end="", flush=True)

    def epoch(self, row: dict[str, Any], step: int, best: bool) -> None:
        """Print the errors of an epoch, with a star if it is the best so far."""
        if self.quiet:
            return
        self.shown = time.monotonic()
        parts = [f"epoch {row['epoch']:4d}  loss {row['loss']:.4g}"]
        for name in ("train", "validation"):
            if f"{name}_forces" in row:
                energy, forces = 1e3 * row[f"{name}_energy"], 1e3 * row[f"{name}_forces"]
                parts.append(f"{name} {energy:.3f} meV/atom {forces:.2f} meV/A")
        parts.append(f"{self.time_left(step)} left" + (" *" if best else ""))
        print(("\r" if self.terminal else "") + f"{'  '.join(parts):<95}", flush=True)

    def message(self, text: str) -> None:
        """Print a message."""
        if not self.quiet:
            print(text, flush=True)

    def time_left(self, step: int) -> str:
        """Estimate of the time left, from the mean of this process's steps."""
        done = step - self.first
        if done <= 0:
            return "?"
        seconds = (time.monotonic() - self.start) / done * (self.total - step)
        if seconds > 5400:
            return f"{seconds / 3600:.1f} h"
        return f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
