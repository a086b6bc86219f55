"""The tutorials run as they stand on the pages, and their pictures are there."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "tutorials"
LARGEST_PICTURE = 150 * 1024

spec = importlib.util.spec_from_file_location("pictures", FOLDER / "pictures.py")
pictures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pictures)


@pytest.mark.parametrize("name", sorted(pictures.LONGER))
def test_the_code_of_a_tutorial_runs(name, tmp_path, monkeypatch):
    """In an empty folder. Its last sections show what came out; the files that it speaks of are there."""
    monkeypatch.chdir(tmp_path)
    names = pictures.run(name)
    for drawn in pictures.PICTURES[name]:
        assert drawn == "energy.png" or Path(drawn).read_bytes().startswith(b"\x89PNG")
    if name == "simulate":
        assert "<canvas" in Path("run/view.html").read_text(encoding="utf-8")
        assert names["figure"]._repr_png_() and "<canvas" in names["page"].text
    elif name == "spectra":
        assert "Spectrum of ir.csv" in Path("view.html").read_text(encoding="utf-8")
        assert 3000 < names["spectrum"].peak(2800, 4000) < 3800
    elif name == "train":
        assert "<h2>Report</h2>" in Path("water-model/view.html").read_text(encoding="utf-8")
        assert names["watch"].reports == 6


def test_every_tutorial_is_run():
    assert {path.stem for path in FOLDER.glob("*.md")} == set(pictures.LONGER) == set(pictures.PICTURES)


@pytest.mark.parametrize("name", sorted(pictures.LONGER))
def test_what_makes_a_tutorial_longer_fits_its_code(name):
    code = "".join(text for _, text in pictures.blocks(FOLDER / f"{name}.md"))
    for short in pictures.LONGER[name]:
        assert code.count(short) >= 1, f"{name}.md has no {short!r}"


def test_pictures_are_small_and_shown():
    shown = set()
    for page in FOLDER.glob("*.md"):
        shown |= set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8")))
    assert shown == {path.name for path in FOLDER.glob("*.png")}
    assert shown == {name for drawn in pictures.PICTURES.values() for name in drawn.values()} | {pictures.OF_THE_PAGE}
    assert not [path.name for path in FOLDER.glob("*.png") if path.stat().st_size > LARGEST_PICTURE]


def test_blocks_in_other_languages_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    for text, error in (("```perl\n1\n```\n", "'perl'; python, sh and yaml"), ("```sh\nls\n```\n", "'ls' failed")):
        (tmp_path / "a.md").write_text(text)
        with pytest.raises((ValueError, RuntimeError), match=error):
            pictures.run("a")
