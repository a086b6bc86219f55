"""Benchmarks: the time of a step, alone and beside other packages on the same machine in the same run."""

from openmm_polarmp.bench.run import run_bench

__all__ = ["run_bench"]
