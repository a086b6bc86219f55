"""A run to look at: a web page with the moving atoms and their dipoles, and graphs of what the reporters wrote."""

from openmm_polarmp.view.frames import Frames
from openmm_polarmp.view.graphs import plot
from openmm_polarmp.view.page import Page, view
from openmm_polarmp.view.run import Run

__all__ = ["Frames", "Page", "Run", "plot", "view"]
