"""Deploys two versions of the documentation into a copy of the repository, and checks the site that they make together.

python packaging/try_docs.py

Run it through `make test-docs`. The site is left in build/versions; `python -m http.server -d build/versions` shows it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "versions"


def build(site: Path) -> None:
    """Deploy the last commit as a release and as the state of development, in a copy whose branches do not matter."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*command: object) -> bytes:
            return subprocess.run([*map(str, command)], cwd=folder, check=True, stdout=subprocess.PIPE).stdout

        run("git", "clone", "--quiet", ROOT, ".")
        run("git", "config", "user.name", "test")
        run("git", "config", "user.email", "test@localhost")
        run("mike", "deploy", "--update-aliases", "0.1", "latest")
        run("mike", "deploy", "dev")
        run("mike", "set-default", "latest")
        shutil.rmtree(site, ignore_errors=True)
        site.mkdir(parents=True)
        run("git", "archive", "--output", site / "site.tar", "gh-pages")
        run("tar", "-xf", site / "site.tar", "-C", site)


def check(site: Path) -> None:
    """Both versions have all pages, with a selector; the start leads to the release; nothing is loaded from elsewhere."""
    versions = json.loads((site / "versions.json").read_text())
    assert {v["version"]: v["aliases"] for v in versions} == {"0.1": ["latest"], "dev": []}, versions
    assert "latest/" in (site / "index.html").read_text()
    for version in ("0.1", "latest", "dev"):
        pages = sorted((site / version).rglob("index.html"))
        assert len(pages) >= len(list((ROOT / "docs").glob("*.md"))), f"{version} has {len(pages)} pages"
        for page in pages:
            text = page.read_text(encoding="utf-8")
            assert "js/version-select.js" in text, f"{page} has no selector of versions"
            loaded = re.findall(r"<(?:script|img|link)[^>]* (?:src|href)=\"?(https?:[^\" >]+)", text)
            assert not loaded, f"{page} loads {loaded}"


def main() -> None:
    """Build and check the site."""
    build(SITE)
    check(SITE)
    print(f"two versions are in {SITE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
