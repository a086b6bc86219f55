"""A row of the table measured in a process of its own: on some platforms some of OpenMM's forces end the process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import json
import sys

from openmm_polarmp.bench import electrostatics

what, arguments, seconds = json.loads(sys.argv[1])
print("ms", getattr(electrostatics, what)(**arguments).milliseconds(seconds))
"""


def milliseconds_apart(what: str, seconds: float, **arguments: Any) -> float | str:
    """Milliseconds of a step of a function in `bench.electrostatics`, or why there are none."""
    command = [sys.executable, "-c", SCRIPT, json.dumps([what, arguments, seconds])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return float(done.stdout.rpartition("ms ")[2])
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"not here: {f'signal {-done.returncode}: ' if done.returncode < 0 else ''}{last}"
