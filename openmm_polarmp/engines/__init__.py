"""Trained models as potentials of simulation engines other than OpenMM: a module for each engine."""
