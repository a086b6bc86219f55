"""The log of a run: a CSV file, TensorBoard if it is installed, and the line on the screen."""

from __future__ import annotations

import csv
import io
import sys
import time
from pathlib import Path
from typing import Any

from openmm_polarmp._files import write_atomically


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the whole log anew: it is small, and a resumed run cannot leave rows twice."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


class TensorBoard:
    """Writes the same numbers for TensorBoard, where that is installed."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self.writer = None
        if wanted:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self.writer = SummaryWriter(folder)

    def add(self, row: dict[str, Any]) -> None:
        """Numbers of an epoch."""
        if self.writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self.writer.add_scalar(name, value, row["epoch"])
            self.writer.flush()


class Progress:
    """One line on a terminal that is renewed within an epoch; a line for each epoch everywhere."""

    def __init__(self, quiet: bool, total_steps: int, done: int) -> None:
        self.quiet, self.total, self.first = quiet, total_steps, done
        self.terminal = sys.stdout.isatty()
        self.start = self.shown = time.monotonic()

    def step(self, epoch: int, step: int, loss: float, force_rmse: float) -> None:
        """After a step: shown on a terminal, twice a second at most."""
        now = time.monotonic()
        if self.quiet or not self.terminal or now - self.shown < 0.5:
            return
        self.shown = now
        share = step / self.total
        bar = "#" * int(20 * share)
        left = self.left(step)
        text = f"\r[{bar:20}] epoch {epoch}, loss {loss:.3g}, forces {1e3 * force_rmse:.1f} meV/A, {left} left "
        print(f"{text:<95}", end="", flush=True)

    def epoch(self, row: dict[str, Any], step: int, best: bool) -> None:
        """After an epoch."""
        if self.quiet:
            return
        part = [f"epoch {row['epoch']:4d}  loss {row['loss']:.4g}"]
        for name, title in (("train", "train"), ("validation", "validation")):
            if f"{name}_forces" in row:
                energy, forces = 1e3 * row[f"{name}_energy"], 1e3 * row[f"{name}_forces"]
                part.append(f"{title} {energy:.3f} meV/atom {forces:.2f} meV/A")
        part.append(f"{self.left(step)} left" + (" *" if best else ""))
        print(("\r" if self.terminal else "") + f"{'  '.join(part):<95}", flush=True)

    def say(self, text: str) -> None:
        """A sentence."""
        if not self.quiet:
            print(text, flush=True)

    def left(self, step: int) -> str:
        """Time left, from the mean of this process's steps."""
        done = step - self.first
        if done <= 0:
            return "?"
        seconds = (time.monotonic() - self.start) / done * (self.total - step)
        return (
            f"{seconds / 3600:.1f} h"
            if seconds > 5400
            else f"{seconds / 60:.0f} min"
            if seconds > 90
            else f"{seconds:.0f} s"
        )
