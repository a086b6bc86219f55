"""The whole step of a model by phase."""

from __future__ import annotations

import torch

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench.electrostatics import empty_system, ours, water
from openmm_polarmp.bench.timing import Stepper
from openmm_polarmp.models import PolarMPModel, load_model
from openmm_polarmp.models._benchmark import benchmark

SEARCH_EVERY = 20
"""Steps between two searches of the pairs, as in water at 300 K with steps of 0.5 fs and a skin of 0.5 A or so."""


def phases(
    model: str | PolarMPModel,
    atoms: int,
    platform: str,
    properties: dict[str, str],
    seconds: float,
    evaluator: str | None = None,
) -> dict:
    """Milliseconds of a step and of its phases for a box of water.

    The electrostatics are timed by themselves, with fixed moments of the same rung. In torch the network's passes and the
    pairs are too, and what is left of the whole step is ``other``: Python, copies, the integrator, OpenMM.
    """
    loaded = load_model(model) if isinstance(model, str) else model
    positions, species, edge = water(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(loaded, atomic_numbers=species.tolist(), evaluator=evaluator)
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    whole = Stepper(system, positions, platform, properties).milliseconds(seconds)
    rung = loaded.rung.word if loaded.rung is not None else "quQ+ka"
    electrostatics = 0.0
    if loaded.has_electrostatics:
        electrostatics = ours(atoms, rung, platform, properties).milliseconds(seconds)
    if force.getModel().evaluator == "native":
        return {"whole": whole, "electrostatics": electrostatics, "network and the rest": whole - electrostatics}
    device = torch.device("cuda" if platform == "CUDA" else "cpu")
    network = benchmark(loaded.to(device), atoms, "single", device, seconds)
    found = {
        "whole": whole,
        "pairs": network["update"] + network["search"] / SEARCH_EVERY,
        "forward": network["forward"],
        "electrostatics": electrostatics,
        "backward": network["backward"],
    }
    # In the timed step atoms stay: its pairs are never searched.
    found["other"] = whole - network["update"] - network["forward"] - network["backward"] - electrostatics
    total = whole + network["search"] / SEARCH_EVERY
    found["around the network, %"] = 100 * (1 - (network["forward"] + network["backward"]) / total)
    return found
