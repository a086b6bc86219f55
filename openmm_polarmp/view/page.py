"""A web page of a run: one file without references to others, which a browser shows without a network."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from openmm_polarmp._extras import require
from openmm_polarmp.models.elements import SYMBOLS
from openmm_polarmp.models.radii import COVALENT_RADII
from openmm_polarmp.units import ANGSTROM_PER_NM, DEBYE_PER_E_NM
from openmm_polarmp.view.frames import Frames, read_frames
from openmm_polarmp.view.graphs import Graph, graphs_of, kind_of
from openmm_polarmp.view.run import Run

LARGEST_INTEGER = 32767


@dataclass(frozen=True)
class Page:
    """A web page, which notebooks show in place.

    Attributes
    ----------
    text : str
        The HTML.
    notes : list of str
        What is not on it, and why.
    """

    text: str
    notes: list[str]

    def save(self, path: str | Path) -> None:
        """Write it to a file."""
        Path(path).write_text(self.text, encoding="utf-8")

    def _repr_html_(self) -> str:
        """In a frame of its own, so that its script and style do not meet those of the notebook."""
        return f'<iframe srcdoc="{html.escape(self.text)}" style="width:100%;height:720px;border:0"></iframe>'


def view(run: str | Path | Run, *, frames: int = 100, temperature: float | None = None, eps_e: float = 1.0) -> Page:
    """A run as a page: its atoms with arrows for their dipoles, and graphs of what its reporters wrote.

    Of a training it shows the errors over the epochs and the report, of spectra the curves.

    Parameters
    ----------
    run : str, Path or Run
        The folder that the run's reporters, `polarmp train` or `polarmp ir` wrote to. Arrows need the folder of a
        MultipoleReporter in it.
    frames : int
        At most so many frames are shown, at equal intervals.
    temperature : float, optional
        K, for the infrared spectrum; by default the mean of the reported temperatures, or 300.
    eps_e : float
        Physical moments are s = sqrt(eps_e) times the latent ones (theory.md section 6).
    """
    run = run if isinstance(run, Run) else Run(run)
    shown = read_frames(run, frames)
    if run.is_dynamics and shown is None and run.moments is None and run.trajectory is None:
        run.notes.append("No atoms are shown: a MultipoleReporter writes them with their moments.")
    elif shown is not None and shown.charges is None:
        run.notes.append("No dipoles are shown: a MultipoleReporter writes them.")
    if run.moments is not None and run.moments.damaged is not None:
        run.notes.append(f"{run.moments.damaged}.")
    graphs = graphs_of(run, shown, temperature, eps_e)
    name = run.folder.resolve().name
    parts = {
        "title": html.escape(name),
        "style": _file("page.css"),
        "summary": html.escape(_summary(shown, math.sqrt(eps_e))),
        "notes": "".join(f"<li>{html.escape(note)}</li>" for note in run.notes),
        "viewer": "" if shown is None else _file("viewer.html"),
        "graphs": "".join(_figure(graph) for graph in graphs),
        "report": "" if run.training is None else _report(run.training.parent),
        "data": "null" if shown is None else json.dumps(_data(shown, math.sqrt(eps_e))),
        "script": "" if shown is None else _file("viewer.js"),
    }
    text = _file("page.html")
    for key, value in parts.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    return Page(text, run.notes)


def _file(name: str) -> str:
    return resources.files("openmm_polarmp.view").joinpath(name).read_text(encoding="utf-8")


def _summary(frames: Frames | None, scaling: float) -> str:
    if frames is None:
        return ""
    sentences = [f"{len(frames.numbers)} atoms, {len(frames.times)} of {frames.total} frames."]
    if frames.charges is not None:
        sentences.append(f"Charges and dipoles are {'latent' if scaling == 1 else f'physical, {kind_of(scaling)}'}.")
    return " ".join(sentences)


def _figure(graph: Graph) -> str:
    """A graph as SVG, whose text remains text."""
    require("view", "plot", ["matplotlib"])
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": graph.title, "font.family": "sans-serif"}):
        figure = Figure(figsize=(4.4, 3.0), layout="constrained")
        graph.draw(figure.subplots())
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    drawing = stream.getvalue()
    text = f"<p>{html.escape(graph.text)}</p>" if graph.text else ""
    heading = html.escape(graph.title)
    return f"<figure><figcaption><h2>{heading}</h2>{text}</figcaption>{drawing[drawing.index('<svg') :]}</figure>\n"


def _report(folder: Path) -> str:
    """The final report of a training: its picture and its table of errors, as far as they are written."""
    parts = []
    picture, text = folder / "report.png", folder / "report.txt"
    if picture.is_file():
        data = base64.b64encode(picture.read_bytes()).decode()
        parts.append(f'<div><img alt="Predictions beside references" src="data:image/png;base64,{data}"></div>')
    if text.is_file():
        parts.append(f"<pre>{html.escape(text.read_text(encoding='utf-8'))}</pre>")
    return "" if not parts else f'<section class="report"><h2>Report</h2>{"".join(parts)}</section>\n'


def _data(frames: Frames, scaling: float) -> dict:
    """What the script draws: lengths in nm, dipoles in D, charges in e; see `_packed`."""
    numbers = frames.numbers
    data = {
        "symbols": SYMBOLS,
        "radii": [0.05, *(radius / ANGSTROM_PER_NM for radius in COVALENT_RADII)],
        "numbers": numbers.tolist(),
        "bonds": frames.bonds.tolist(),
        "molecules": frames.molecules.index.tolist(),
        "times": [None if math.isnan(time) else float(f"{time:.6g}") for time in frames.times],
        "box": None if frames.box is None else np.round(frames.box, 5).tolist(),
        "positions": _packed(frames.positions),
        "kind": kind_of(scaling),
        "arrows": [],
    }
    if frames.charges is not None and frames.dipoles is not None and frames.induced_dipoles is not None:
        unit = scaling * DEBYE_PER_E_NM
        of_molecules, charges = frames.molecular_dipoles()
        of_molecules[:, np.abs(charges.mean(0)) > 0.5] = 0  # the dipole of an ion depends on the origin
        data["charges"] = _packed(scaling * frames.charges)
        data["arrows"] = [
            {"name": "dipoles of molecules", "of": "molecules", "vectors": _packed(unit * of_molecules)},
            {"name": "dipoles of atoms", "of": "atoms", "vectors": _packed(unit * frames.dipoles)},
            {"name": "induced dipoles of atoms", "of": "atoms", "vectors": _packed(unit * frames.induced_dipoles)},
        ]
    return data


def _packed(values: NDArray) -> dict:
    """Numbers as 16-bit integers in base64, times a step."""
    largest = float(np.abs(values).max(initial=0.0))
    step = largest / LARGEST_INTEGER if largest > 0 else 1.0
    integers = np.round(values / step).astype("<i2")
    return {"step": step, "values": base64.b64encode(integers.tobytes()).decode()}
