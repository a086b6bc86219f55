"""A measurement in a process of its own: on some platforms some of OpenMM's forces end the process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SCRIPT = """
import json
import sys

from openmm_polarmp.bench import electrostatics

name, arguments, seconds = json.loads(sys.argv[1])
print("ms", getattr(electrostatics, name)(**arguments).milliseconds(seconds))
"""


def isolated_milliseconds(name: str, seconds: float, **arguments: Any) -> float | str:
    """Time of a step of a function in `bench.electrostatics`, in ms, or the reason why there is none.

    Parameters
    ----------
    name : str
        Of the function, which returns a `Stepper`.
    seconds : float
        Duration of the measurement.
    arguments
        Of the function.
    """
    command = [sys.executable, "-c", SCRIPT, json.dumps([name, arguments, seconds])]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode == 0:
        return float(process.stdout.rpartition("ms ")[2])
    last = (process.stderr.strip().splitlines() or ["no message"])[-1]
    return f"not here: {f'signal {-process.returncode}: ' if process.returncode < 0 else ''}{last}"
