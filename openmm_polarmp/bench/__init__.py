"""How long a step takes, here and now, and beside others on the same machine in the same run."""

from openmm_polarmp.bench.run import run_bench

__all__ = ["run_bench"]
