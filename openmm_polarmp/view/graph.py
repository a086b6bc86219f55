"""A graph of a run, and the curves that most of them are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 2000


class Graph(NamedTuple):
    """A title, a sentence on what is seen, and what draws it."""

    title: str
    text: str
    draw: Callable[[Axes], None]


def line_plot(x: NDArray, y: NDArray, xlabel: str, ylabel: str, line: float | None = None) -> Callable[[Axes], None]:
    """Draws y over x, of long series only some points, and a horizontal line where one is asked for."""
    step = -(-len(x) // MOST_POINTS)

    def draw(axis: Axes) -> None:
        axis.plot(x[::step], y[::step], lw=1)
        if line is not None:
            axis.axhline(line, lw=0.5, color="gray")
        axis.set(xlabel=xlabel, ylabel=ylabel)

    return draw


def no_graph(title: str, text: str) -> Graph:
    """Says in the place of a graph why there is none."""

    def draw(axis: Axes) -> None:
        axis.text(0.5, 0.5, text, ha="center", transform=axis.transAxes)
        axis.set_axis_off()

    return Graph(title, "", draw)
