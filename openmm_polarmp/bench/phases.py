"""The time of a model's whole step, divided into its phases."""

from __future__ import annotations

import statistics

import torch

from openmm_polarmp import PolarMPForce
from openmm_polarmp.bench.electrostatics import no_force, polarmp
from openmm_polarmp.bench.network import benchmark
from openmm_polarmp.bench.timing import Stepper
from openmm_polarmp.bench.water_box import empty_system, water_box_nm
from openmm_polarmp.models import PolarMPModel, load_model

TURNS = 5
"""Number of times that steps with and without a force are measured alternately."""

SEARCH_EVERY = 20
"""Steps between two searches of the pairs: typical of water at 300 K with steps of 0.5 fs and a skin of 0.5 A."""


def phases(
    model: str | PolarMPModel,
    atoms: int,
    platform: str,
    properties: dict[str, str],
    seconds: float,
    evaluator: str | None = None,
) -> dict[str, float]:
    """Milliseconds of a step and of its phases for a box of water.

    Each number is the median over batches of calls, for which the host waits once, as in a simulation. The whole step is one
    measurement. ``electrostatics`` is another one with fixed moments of the same rung, from which the time of a step without
    a force (``OpenMM``) is subtracted. With the torch evaluator the network's passes and the pair search are measured
    separately, and ``other`` is the rest of the whole step: Python, copies, and work that overlaps less in the whole step.

    Parameters
    ----------
    model : str or PolarMPModel
        The model, its file, or the name of a shipped one.
    atoms : int
        Size of the box.
    platform : str
        Name of OpenMM's platform.
    properties : dict
        Its properties.
    seconds : float
        Duration of each measurement.
    evaluator : str, optional
        ``native`` or ``torch``.
    """
    loaded = load_model(model) if isinstance(model, str) else model
    whole, used_evaluator = _whole_step(loaded, atoms, platform, properties, seconds, evaluator)
    rung = loaded.rung.word if loaded.rung is not None else "quQ+ka"
    empty = no_force(atoms, platform, properties)
    charged = polarmp(atoms, rung, platform, properties) if loaded.has_electrostatics else empty
    # Alternately, so that other work on the machine slows both: their difference is small.
    turns = [(empty.milliseconds(seconds / TURNS), charged.milliseconds(seconds / TURNS)) for _ in range(TURNS)]
    bare = statistics.median(without for without, _ in turns)
    electrostatics = 0.0
    if loaded.has_electrostatics:
        electrostatics = max(0.0, statistics.median(with_force - without for without, with_force in turns))
    if used_evaluator == "native":
        rest = whole - electrostatics - bare
        return {"whole": whole, "electrostatics": electrostatics, "OpenMM": bare, "network and the rest": rest}
    device = torch.device("cuda" if platform == "CUDA" else "cpu")
    network = benchmark(loaded.to(device), atoms, "single", device, seconds)
    result = {
        "whole": whole,
        "pairs": network["update"] + network["search"] / SEARCH_EVERY,
        "forward": network["forward"],
        "electrostatics": electrostatics,
        "backward": network["backward"],
        "OpenMM": bare,
    }
    # Atoms do not move in the timed step: its pairs are never searched.
    result["other"] = whole - network["step"] - electrostatics - bare
    total = whole + network["search"] / SEARCH_EVERY
    result["around the network, %"] = 100 * (1 - (network["forward"] + network["backward"]) / total)
    return result


def _whole_step(
    model: PolarMPModel, atoms: int, platform: str, properties: dict[str, str], seconds: float, evaluator: str | None
) -> tuple[float, str]:
    """Milliseconds of the whole step, and the evaluator of its network."""
    positions, species, edge = water_box_nm(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(model, atomic_numbers=species.tolist(), evaluator=evaluator)
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    return Stepper(system, positions, platform, properties).milliseconds(seconds), force.getModel().evaluator
