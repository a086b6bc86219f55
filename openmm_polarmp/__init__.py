"""Molecular dynamics with learned, polarizable electrostatics."""
