"""The command ``polarmp view``."""

from __future__ import annotations

import argparse
from pathlib import Path

from openmm_polarmp.commands._numbers import count, positive
from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "view",
        "A web page of a run: atoms with arrows for their dipoles, graphs of what reporters wrote, errors of a training, spectra.",
        "polarmp view demo-output --open",
        run,
    )
    parser.add_argument(
        "folder", metavar="RUN", help="folder that reporters, polarmp train, polarmp ir or polarmp raman wrote to"
    )
    parser.add_argument("--output", help="the page (default: view.html in that folder)")
    parser.add_argument("--plot", help="also draw the graphs to this PNG file")
    parser.add_argument("--frames", type=count, default=100, help="at most so many frames are shown (default 100)")
    parser.add_argument(
        "--temperature", type=positive, help="K, for the spectrum (default: the mean of the run, or 300)"
    )
    parser.add_argument("--eps-e", type=positive, default=1.0, help="s^2 of physical moments (default 1: latent ones)")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(options: argparse.Namespace) -> int:
    """Write the page, and the graphs where they are asked for."""
    from openmm_polarmp.view import Run, plot, view

    files = Run(options.folder)
    conditions = {"temperature": options.temperature, "eps_e": options.eps_e}
    page = view(files, frames=options.frames, **conditions)
    output = Path(options.output or files.folder / "view.html")
    page.save(output)
    for note in page.notes:
        print(note)
    print(f"Written to {output}, {output.stat().st_size / 1024:.0f} kB: open it in a browser")
    if options.plot:
        plot(files, **conditions).savefig(options.plot, dpi=120)
    if options.open:
        import webbrowser

        webbrowser.open(output.resolve().as_uri())
    return 0
