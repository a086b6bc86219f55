"""What a release needs: complete metadata, one version everywhere, a recipe that asks for the same, commands that exist."""

import importlib.metadata
import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

import openmm_polarmp

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def check_release():
    spec = importlib.util.spec_from_file_location("check_release", ROOT / "packaging" / "check_release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_metadata_are_complete():
    assert all(author["name"] for author in PROJECT["authors"]) and PROJECT["authors"]
    assert PROJECT["description"] and len(PROJECT["keywords"]) >= 5
    assert len(PROJECT["urls"]) >= 2 and all(url.startswith("https://") for url in PROJECT["urls"].values())
    assert (ROOT / PROJECT["readme"]).read_text(encoding="utf-8").startswith("# openmm-polarmp\n")
    assert PROJECT["license"] == "MIT"
    assert all(list(ROOT.glob(pattern)) for pattern in PROJECT["license-files"])
    topics = {classifier.split(" :: ")[0] for classifier in PROJECT["classifiers"]}
    assert topics >= {"Development Status", "Intended Audience", "Operating System", "Programming Language", "Topic"}
    # A licence is named by its SPDX expression alone; indexes refuse both.
    assert "License" not in topics


def test_the_oldest_python_is_the_same_everywhere():
    versions = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert f">={versions[0]}" == PROJECT["requires-python"]


def test_the_installed_metadata_are_valid():
    """The parser that package indexes use raises an error for each field that it does not accept."""
    metadata = importlib.metadata.distribution("openmm-polarmp").read_text("METADATA")
    parsed = Metadata.from_email(metadata)
    assert parsed.description_content_type == "text/markdown"
    assert str(parsed.version) == openmm_polarmp.__version__


def test_the_recipe_asks_for_what_the_package_asks_for():
    run = {str(Requirement(line)) for line in RECIPE["requirements"]["run"]}
    assert run == {"python"} | {str(Requirement(line)) for line in PROJECT["dependencies"]}
    assert RECIPE["about"]["license"] == PROJECT["license"]
    licences = {str(path.relative_to(ROOT)) for pattern in PROJECT["license-files"] for path in ROOT.glob(pattern)}
    assert set(RECIPE["about"]["license_file"]) == licences


def test_all_files_have_one_version(check_release):
    assert not [fault for fault in check_release.faults(ROOT) if "has version" in fault]


def test_what_a_release_lacks_is_named(check_release, tmp_path):
    for name in (*check_release.VERSIONS, "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    version = openmm_polarmp.__version__

    def replace(name: str, pattern: str, text: str) -> None:
        old = (tmp_path / name).read_text(encoding="utf-8")
        new, count = re.subn(pattern, text, old, count=1, flags=re.MULTILINE)
        assert count == 1
        (tmp_path / name).write_text(new, encoding="utf-8")

    replace("CHANGELOG.md", r"^## .*$", f"## {version}, not yet released")
    addresses = "".join(f'{name} = "https://localhost"\n' for name in check_release.ADDRESSES if name != "Source")
    replace("pyproject.toml", r"^\[project.urls\]\n([^\[]*\n)?\n", f"[project.urls]\n{addresses}\n")
    assert check_release.faults(tmp_path, tag="v0.0.1") == [
        f"CHANGELOG.md has no heading '## {version}, YYYY-MM-DD'",
        "pyproject.toml: project.urls lacks Source",
        f"the tag is v0.0.1; v{version} is accepted",
    ]
    replace("CHANGELOG.md", r"^## .*$", f"## {version}, 2026-12-01")
    replace("pyproject.toml", r"^\[project.urls\]\n", '[project.urls]\nSource = "https://localhost"\n')
    assert check_release.faults(tmp_path, tag=f"v{version}") == []
    replace("CITATION.cff", r"^version: .*$", "version: 9.9")
    assert check_release.faults(tmp_path) == [f"CITATION.cff has version 9.9, the package {version}"]


def test_targets_of_make_that_are_named_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/workflows/*.yml")):
        text = page.read_text(encoding="utf-8")
        for words in re.findall(r"(?:^ {4,}|`|run: )make ([^`\n#]+)", text, re.MULTILINE):
            named = {word for word in words.split() if re.fullmatch(r"[a-z-]+", word)}
            assert named <= targets, f"{page.name}: make {words}"
