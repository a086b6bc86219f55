"""Python in a process of its own, which imports what the tests import."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def environment(**changes: str) -> dict[str, str]:
    """Environment variables of a process that finds the same packages as this one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **changes}


def run_python(
    code: str,
    *arguments: str,
    options: tuple[str, ...] = (),
    folder: Path | None = None,
    text: str | None = None,
    **changes: str,
) -> subprocess.CompletedProcess:
    """Run some code to its end.

    Parameters
    ----------
    code
        May be indented.
    arguments
        For ``sys.argv[1:]``.
    options
        Of the interpreter.
    folder
        Where it runs.
    text
        Its standard input.
    changes
        Environment variables that are to differ from this process's.
    """
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code), *arguments],
        cwd=folder,
        env=environment(**changes),
        input=text,
        capture_output=True,
        text=True,
        timeout=600,
    )
