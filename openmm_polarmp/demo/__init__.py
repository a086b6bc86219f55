"""``polarmp demo``: a simulation of water from the shipped model to a plot."""

from openmm_polarmp.demo.run import run_demo

__all__ = ["run_demo"]
