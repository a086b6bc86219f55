"""The documentation builds without a warning, its links hold, and the messages it explains exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("openmm_polarmp/**/*.py"), *ROOT.glob("plugin_cpp/**/*.cpp"), *ROOT.glob("plugin_cpp/**/*.h")]


def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    api = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    assert "getBornEffectiveCharges" in api and "TrainingConfig" in api


def test_links_to_files_of_the_repository_hold():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_messages_of_the_troubleshooting_page_exist():
    """Each bold piece between the dots must stand in the code: a message that was reworded must not stay documented."""
    text = " ".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in SOURCES)
    text = re.sub(r"\s+", " ", text)
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    titles = [
        title for title in re.findall(r"^\*\*(.*?)\*\* —", page, re.MULTILINE) if ".." in title or "the " in title
    ]
    assert len(titles) > 5
    for title in titles:
        for piece in re.split(r"\[?'?\.\.'?\]?|1000|8\.6", title):
            piece = piece.strip(" :?,")
            if len(piece) > 8 and not piece.startswith("With PoCL") and "four-point" not in piece:
                assert piece in text, f"{piece!r} is not a message of the code"


def test_every_command_is_documented():
    from openmm_polarmp.commands import COMMANDS

    page = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`{command.__name__.split('.')[-1].replace('_', '-')}" in page.replace("polarmp ", "")
