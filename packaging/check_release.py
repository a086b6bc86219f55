"""Checks that the tree is ready to be released: one version everywhere, a dated change log, and the project's addresses.

python packaging/check_release.py [--tag v0.1.0]
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Where each file names the version.
VERSIONS = {
    "openmm_polarmp/_version.py": r'^__version__ = "(.*)"$',
    "CITATION.cff": r"^version: (.*)$",
    "packaging/conda/recipe.yaml": r'^  version: "(.*)"$',
    "CHANGELOG.md": r"^## ([^, ]+), ",
}
# The addresses of [project.urls] that a package index shows as links of the project.
ADDRESSES = ("Documentation", "Source", "Issues", "Changelog")


def faults(root: Path, tag: str | None = None) -> list[str]:
    """What is missing for a release of the tree below `root`, under a tag if one is given."""
    found, wrong = {}, []
    for name, pattern in VERSIONS.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match.group(1) if match else None
    version = found["openmm_polarmp/_version.py"]
    wrong += [f"{name} has version {other}, the package {version}" for name, other in found.items() if other != version]
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(str(version))}, \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        wrong.append(f"CHANGELOG.md has no heading '## {version}, YYYY-MM-DD'")
    urls = (root / "pyproject.toml").read_text(encoding="utf-8").partition("[project.urls]\n")[2].partition("\n[")[0]
    wrong += [f"pyproject.toml: project.urls lacks {a}" for a in ADDRESSES if not re.search(rf"^{a} = ", urls, re.M)]
    if tag is not None and tag != f"v{version}":
        wrong.append(f"the tag is {tag}; v{version} is accepted")
    return wrong


def main() -> None:
    """Print what is missing; the exit code is 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", help="of this release")
    wrong = faults(ROOT, parser.parse_args().tag)
    if wrong:
        sys.exit("\n".join(wrong))
    print("ready for a release")


if __name__ == "__main__":
    main()
