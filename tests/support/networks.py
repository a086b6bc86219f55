"""Networks with random weights, evaluated by the plugin itself and through torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import openmm
import openmm_polarmp._polarmp as extension
from numpy.typing import NDArray

from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.sources.native import network_source
from openmm_polarmp.sources.network import TorchSource

from .models import random_network
from .sources import force_with_source

CUBIC = np.diag([9.0, 9.0, 9.0])
TRICLINIC = np.array([[9.0, 0, 0], [3.5, 8.5, 0], [-3.0, 4.0, 9.5]])
THIN = np.array([[4.0, 0, 0], [0.5, 5.0, 0], [1.0, -2.0, 12.0]])  # several images of an atom within 3.5 A


@dataclass(frozen=True)
class Evaluator:
    """Where and how precisely the plugin evaluates a network itself."""

    platform: str
    precision: str

    def __str__(self) -> str:
        return f"{self.platform}-{self.precision}"

    @property
    def tolerance(self) -> float:
        """Of each result, relative to the largest value."""
        return 1e-9 if self.precision == "double" else 2e-5

    def context(self, model: PolarMPModel, structure: Structure, properties: dict | None = None, **options):
        """A Context whose network the plugin evaluates."""
        source = native_source(model, structure.species, precision=self.precision, **options)
        return context_of(source, structure, self.platform, **(properties or {}))

    def torch_context(self, model: PolarMPModel, structure: Structure, **options):
        """The same with torch's network in double precision."""
        return context_of(
            TorchSource(model, structure.species, precision="double", **options), structure, self.platform
        )


EVALUATORS = [Evaluator("Reference", "double"), Evaluator("CPU", "double"), Evaluator("CPU", "single")]


@dataclass(frozen=True)
class Structure:
    """Positions and box in A."""

    positions: NDArray
    species: list[int]
    cell: NDArray | None


def random_model(seed: int = 0, charge_projection: bool = True, **config) -> PolarMPModel:
    """An untrained network in float64 whose every weight acts and whose every output is of order one."""
    species = config.get("species", (1, 8))
    defaults = {
        "species": species,
        "cutoff": 3.5,
        "layers": 1,
        "message_channels": 5,
        "hidden": 7,
        "average_neighbors": 12.0,
        "energy_scale": {z: 0.5 + 0.1 * k for k, z in enumerate(species)},
        "energy_shift": {z: -20.0 - k for k, z in enumerate(species)},
    }
    network = random_network(seed, **{**defaults, **config})
    return PolarMPModel(network.eval(), accuracy=1e-6, charge_projection=charge_projection)


def random_structure(
    n: int, cell: NDArray | None = CUBIC, seed: int = 0, species: tuple[int, ...] = (1, 8), closest: float = 0.9
) -> Structure:
    """Atoms that keep a distance from each other (images included); without a cell in a ball of liquid density."""
    rng = np.random.default_rng(seed)
    edge = np.eye(3) * (n / 0.08) ** (1 / 3) if cell is None else cell
    near = [np.array(s) @ edge for s in np.ndindex(3, 3, 3)]
    images = np.array([0 * edge[0]] if cell is None else [s - edge.sum(0) for s in near])
    positions = np.empty((0, 3))
    while len(positions) < n:
        new = rng.random(3) @ edge
        distances = np.linalg.norm((positions[:, None] + images[None]) - new, axis=2)
        if distances.size == 0 or distances.min() > closest:
            positions = np.vstack([positions, new])
    return Structure(positions, rng.choice(species, n).tolist(), cell)


def native_source(model: PolarMPModel, species: list[int], **options):
    """The plugin's own evaluation of a model."""
    weights = {name: value.numpy() for name, value in model.network.state_dict().items()}
    return network_source(model.network.config, weights, species, charge_projection=model.charge_projection, **options)


def context_of(source, structure: Structure, platform: str = "Reference", **properties: str) -> openmm.Context:
    """A Context with nothing but the force, at the structure's positions."""
    system = openmm.System()
    for _ in structure.species:
        system.addParticle(10.0)
    if structure.cell is not None:
        system.setDefaultPeriodicBoxVectors(*(0.1 * structure.cell))
    # the CPU's mesh in double precision
    system.addForce(force_with_source(source, structure.cell is not None, tolerance=1e-6))
    chosen = openmm.Platform.getPlatformByName(platform)
    context = openmm.Context(system, openmm.VerletIntegrator(0.0005), chosen, properties)
    context.setPositions(0.1 * structure.positions)
    return context


def results(context: openmm.Context) -> dict[str, NDArray]:
    """Energies, forces (kJ/mol, nm) and what the step left behind (model units)."""
    state = context.getState(energy=True, forces=True)
    force = context.getSystem().getForce(0)
    found = dict(extension.get_step_data(int(force.this), int(context.this)))
    found["forces"] = state.getForces(asNumpy=True)._value
    found["energy"] = state.getPotentialEnergy()._value
    flows = extension.get_pair_flows(int(force.this), int(context.this))
    d = flows["vectors"]
    found["pair_dipole"] = (flows["charges"] + flows["induced"]) @ d
    found["pair_polarizability"] = np.einsum("p,pa,pb->ab", flows["conductances"], d, d)
    return found


def assert_equal_results(found: dict, expected: dict, tolerance: float) -> None:
    """Energy, forces, moments, each relative to the largest value that is expected of it."""
    names = ["forces", "source_energy", "local_charges", *(m.name for m in MOMENTS), *(m.gradient for m in MOMENTS)]
    names += ["induced_charges", "induced_dipoles", "pair_dipole", "pair_polarizability"]
    for name in names:
        scale = np.abs(expected[name]).max()
        error = np.abs(np.asarray(found[name]) - expected[name]).max()
        assert error <= tolerance * scale, f"{name}: {error:.2e}, the largest is {scale:.3g}"
