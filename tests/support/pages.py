"""The code on the pages of the documentation."""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def run_code(page: str, heading: str) -> dict[str, Any]:
    """Run the block of Python under a heading; what it defines."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    assert section, f"{page} has no heading {heading!r}"
    (code, *_) = re.findall(r"^```python\n(.*?)^```", section[1], flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, f"{page}: {heading}", "exec"), names)
    return names
