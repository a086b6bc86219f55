"""The whole step of a model by phase."""

from __future__ import annotations

import statistics

import torch

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench.electrostatics import empty_system, no_force, ours, water
from openmm_polarmp.bench.network import benchmark
from openmm_polarmp.bench.timing import Stepper
from openmm_polarmp.models import PolarMPModel, load_model

TURNS = 5
"""In how many turns steps with and without a force are timed."""

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

    Every number is that of many calls in a row, for which the host waits once, as it does in steps. The whole step is
    one run; the electrostatics is another with fixed moments of the same rung, without what a step costs that has no force
    (``OpenMM``). In torch the network's passes and the pairs, queued as a step queues them, are further ones, and what is
    left of the whole step is ``other``: Python, handing over, copies, and what was not overlapped as it was alone.
    """
    loaded = load_model(model) if isinstance(model, str) else model
    whole, evaluated_by = _whole_step(loaded, atoms, platform, properties, seconds, evaluator)
    rung = loaded.rung.word if loaded.rung is not None else "quQ+ka"
    empty = no_force(atoms, platform, properties)
    charged = ours(atoms, rung, platform, properties) if loaded.has_electrostatics else empty
    # By turns, so that what else the machine does meets both: the difference is small.
    turns = [(empty.milliseconds(seconds / TURNS), charged.milliseconds(seconds / TURNS)) for _ in range(TURNS)]
    own = statistics.median(without for without, _ in turns)
    electrostatics = 0.0
    if loaded.has_electrostatics:
        electrostatics = max(0.0, statistics.median(with_force - without for without, with_force in turns))
    if evaluated_by == "native":
        rest = whole - electrostatics - own
        return {"whole": whole, "electrostatics": electrostatics, "OpenMM": own, "network and the rest": rest}
    device = torch.device("cuda" if platform == "CUDA" else "cpu")
    network = benchmark(loaded.to(device), atoms, "single", device, seconds)
    found = {
        "whole": whole,
        "pairs": network["update"] + network["search"] / SEARCH_EVERY,
        "forward": network["forward"],
        "electrostatics": electrostatics,
        "backward": network["backward"],
        "OpenMM": own,
    }
    # In the timed step atoms stay: its pairs are never searched.
    found["other"] = whole - network["step"] - electrostatics - own
    total = whole + network["search"] / SEARCH_EVERY
    found["around the network, %"] = 100 * (1 - (network["forward"] + network["backward"]) / total)
    return found


def _whole_step(
    model: PolarMPModel, atoms: int, platform: str, properties: dict[str, str], seconds: float, evaluator: str | None
) -> tuple[float, str]:
    """Its milliseconds, and who evaluated the network."""
    positions, species, edge = water(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(model, atomic_numbers=species.tolist(), evaluator=evaluator)
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    return Stepper(system, positions, platform, properties).milliseconds(seconds), force.getModel().evaluator
