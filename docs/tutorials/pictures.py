"""Runs the tutorials and draws their pictures.

    python docs/tutorials/pictures.py --browser chromium simulate spectra train develop

The tests run the same code as it stands on the pages; here `LONGER` replaces what makes it short. The picture of a page of
`polarmp view` needs a browser that takes the options of Chromium; without ``--browser`` the others are drawn.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from openmm_polarmp.cli import main

FOLDER = Path(__file__).parent
LONGER = {
    "simulate": {"steps = 300\n": "steps = 20_000\n"},
    "spectra": {
        "warm = 200\n": "warm = 4000\n",
        "steps = 1200\n": "steps = 40_000\n",
        "--resolution 120 --smooth 10": "--resolution 10 --smooth 15",
    },
    "train": {"runs, snapshots = 3, 8\n": "runs, snapshots = 30, 10\n", "epochs: 3,": "epochs: 150,"},
    "develop": {},
}
PICTURES = {
    "simulate": {"graphs.png": "simulate-graphs.png"},
    "spectra": {"ir.png": "spectra-ir.png", "raman.png": "spectra-raman.png"},
    "train": {"water-model/report.png": "train-report.png"},
    "develop": {"energy.png": "develop-energy.png"},
}
OF_THE_PAGE = "simulate-view.png"


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: their languages and texts."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def run(name: str, replacements: dict[str, str] | None = None) -> dict:
    """Run the blocks of a tutorial in the present folder, one after the other, and return the names that they define.

    Python is executed, lines of shells are commands of ``polarmp``, and YAML is written to the file that its first line
    names.
    """
    names: dict = {"__name__": name}
    unused = dict(replacements or {})
    for language, text in blocks(FOLDER / f"{name}.md"):
        for short, long in (replacements or {}).items():
            if short in text:
                text = text.replace(short, long)
                unused.pop(short, None)
        if language == "python":
            exec(compile(text, f"{name}.md", "exec"), names)
        elif language == "sh":
            for line in text.splitlines():
                command, *arguments = shlex.split(line)
                if command != "polarmp" or main(arguments) != 0:
                    raise RuntimeError(f"{name}.md: {line!r} failed")
        elif language == "yaml":
            Path(text.splitlines()[0].lstrip("# ")).write_text(text, encoding="utf-8")
        else:
            raise ValueError(f"{name}.md has a block in {language!r}; python, sh and yaml are accepted")
    if unused:
        raise ValueError(f"{name}.md has no {', '.join(map(repr, unused))}")
    return names


def draw_energy(names: dict) -> None:
    """The energies of the last section of the tutorial for developers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), layout="constrained")
    axis = figure.subplots()
    for label, values in (("potential", names["potential"]), ("total", names["total"])):
        axis.plot([value - values[0] for value in values], label=f"{label} energy")
    axis.set(xlabel="time (fs)", ylabel="change (kJ/mol)")
    axis.legend()
    figure.savefig("energy.png", dpi=100)


def shrink(source: Path, target: Path, widest: int = 1100) -> None:
    """A PNG of few colours, at most so many pixels wide."""
    from PIL import Image

    picture = Image.open(source).convert("RGB")
    if picture.width > widest:
        picture = picture.resize((widest, round(picture.height * widest / picture.width)), Image.Resampling.LANCZOS)
    picture.quantize(128).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size / 1024:.0f} kB")


def photograph(browser: str, page: Path, target: Path) -> None:
    """A picture of a page in a browser without a window."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]
    picture = Path("page.png").resolve()
    command = [browser, *options, "--window-size=1000,712", f"--screenshot={picture}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    shrink(picture, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tutorials", nargs="*", default=list(LONGER), help="by default all")
    parser.add_argument("--browser", help="for the picture of a page")
    options = parser.parse_args()
    for name in options.tutorials:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            names = run(name, LONGER[name])
            if name == "develop":
                draw_energy(names)
            for source, target in PICTURES[name].items():
                shrink(Path(source), FOLDER / target)
            if name == "simulate" and options.browser:
                photograph(options.browser, Path("run/view.html"), FOLDER / OF_THE_PAGE)
            os.chdir(FOLDER)
