"""Where this machine's Python interpreters are, by version."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def find_python(version: str) -> str | None:
    """Path of an interpreter of a version such as "3.12", from PATH or pyenv; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    in_pyenv = sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}")))
    for candidate in [on_path, *in_pyenv] if on_path else in_pyenv:
        # pyenv has a command of each version on PATH, which fails unless that version is switched on.
        command = [candidate, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2], sys.executable)"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == 0 and result.stdout.startswith(version + " "):
            return result.stdout.split(maxsplit=1)[1].strip()
    return None
