"""SO3LR in this package beside its own, so3krates-torch: prints the numbers of docs/hosts.md.

    python examples/hosts/so3lr_measure.py calculator     # equality with its calculator, cluster and box
    python examples/hosts/so3lr_measure.py convergence    # its electrostatics with longer cutoffs
    python examples/hosts/so3lr_measure.py speed          # time of a step, in turns
    python examples/hosts/so3lr_measure.py dimers         # two molecules at growing distance

Needs so3krates-torch 0.2.1 beside this package.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable

import ase
import numpy as np
import openmm
import torch
from ase.build import molecule
from openmm import app, unit
from openmmml import MLPotential
from so3krates_torch.calculator.so3 import SO3LRCalculator

from openmm_polarmp import load_model
from openmm_polarmp.demo.run import water_box

MODEL = load_model("so3lr")
PLATFORM = openmm.Platform.getPlatformByName("CPU")


def calculator(cutoff: float = 12.0, electrostatics: bool = True, dtype: str = "float64") -> SO3LRCalculator:
    """Its calculator of ASE, which prints on its way."""
    with contextlib.redirect_stdout(io.StringIO()):
        result = SO3LRCalculator(r_max_lr=cutoff, default_dtype=dtype)
    result.models[0].electrostatic_energy_bool = electrostatics
    return result


def theirs(atoms: ase.Atoms, **options: object) -> tuple[float, np.ndarray, np.ndarray]:
    """Energy (eV), forces (eV/A) and charges (e) of the package."""
    calc = calculator(**options)
    atoms = atoms.copy()
    atoms.calc = calc
    return atoms.get_potential_energy(), atoms.get_forces(), calc.results["partial_charges"]


def ours(atoms: ase.Atoms, short_range: bool = False) -> tuple[float, np.ndarray, np.ndarray]:
    """The same of this package in double precision, in torch, on request without electrostatics."""
    model = load_model("so3lr").double()
    positions = torch.tensor(atoms.positions, requires_grad=True)
    cell = torch.tensor(np.array(atoms.cell)) if atoms.pbc.all() else None
    arguments = (positions, torch.tensor(atoms.numbers), cell)
    charge = float(atoms.info.get("charge", 0))
    if short_range:
        energies, multipoles = model.multipoles(*arguments, total_charge=charge)
        energy = energies.sum()
    else:
        result = model.evaluate(*arguments, total_charge=charge)
        energy, multipoles = result.energy, result.multipoles
    (slope,) = torch.autograd.grad(energy, positions)
    return energy.item(), -slope.numpy(), multipoles.charges.detach().numpy()


def cluster() -> ase.Atoms:
    """Molecules with all eight elements."""
    atoms = molecule("C6H6")
    others = (
        ("CH3CONH2", (0.5, 0.4, 4.0)),
        ("PH3", (5, 0, 0)),
        ("SH2", (0, 6, 0)),
        ("HCl", (0, -6, 0)),
        ("HCF3", (0, 0, -5)),
    )
    for name, place in others:
        other = molecule(name)
        other.translate(place)
        atoms += other
    atoms.rattle(0.05, seed=1)
    return atoms


def box(per_edge: int, edge: float) -> ase.Atoms:
    """Water on a lattice, turned at random, in a slightly skewed box."""
    random = np.random.default_rng(0)
    atoms = ase.Atoms(cell=np.eye(3) * edge, pbc=True)
    for place in np.ndindex(per_edge, per_edge, per_edge):
        water = molecule("H2O")
        water.rotate(random.uniform(0, 360), random.normal(size=3))
        water.translate(np.array(place) * edge / per_edge + random.normal(scale=0.1, size=3))
        atoms += water
    atoms.cell[1, 0] = 0.2 * edge
    return atoms


def show_calculator() -> None:
    """Everything but electrostatics, and the charges."""
    print("system          atoms  energy/eV      its - ours, relative: energy, forces; charges/e")
    ion = molecule("HCOOH")[:4]
    ion.info["charge"] = -1
    for name, atoms in (
        ("cluster", cluster()),
        ("box, 6.2 A", box(2, 6.2)),
        ("box, 12.4 A", box(4, 12.4)),
        ("HCOO-", ion),
    ):
        energy, forces, charges = theirs(atoms, electrostatics=False)
        charges = theirs(atoms)[2]
        e, f, q = ours(atoms, short_range=True)
        errors = abs(e / energy - 1), abs(f - forces).max() / abs(forces).max(), abs(q - charges).max()
        print(f"{name:14s} {len(atoms):6d}  {energy:12.5f}   {errors[0]:.1e}  {errors[1]:.1e}  {errors[2]:.1e}")


def show_convergence() -> None:
    """Electrostatic energies and forces with its cutoff made longer; dispersion and the rest drop out of the difference."""
    print("system        cutoff/A  energy/eV  its - ours: energy/(meV/atom)  largest force/(meV/A)")
    for name, atoms, cutoffs in (
        ("cluster", cluster(), (12, 24, 48, 96, 192, 1000, 10000)),
        ("box, 6.2 A", box(2, 6.2), (12, 16, 24, 32, 48, 64)),
    ):
        whole, short = ours(atoms), ours(atoms, short_range=True)
        energy, forces = whole[0] - short[0], whole[1] - short[1]
        for cutoff in cutoffs:
            on, off = (theirs(atoms, cutoff=float(cutoff), electrostatics=x) for x in (True, False))
            e, f = on[0] - off[0], on[1] - off[1]
            print(
                f"{name:12s} {cutoff:9d}  {e:9.5f}  {1e3 * (e - energy) / len(atoms):29.3f}  "
                f"{1e3 * abs(f - forces).max():22.2f}"
            )
        print(f"{name:12s}  the mesh  {energy:9.5f}")


def cpu_times(call: Callable[[], object], repeats: int) -> list[float]:
    """CPU seconds of each call."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return times


def show_speed() -> None:
    """Steps of dynamics: single precision, one thread, in turns. CPU time, which other processes disturb least."""
    torch.set_num_threads(1)
    print("CPU seconds by step, medians of 5 turns")
    print("atoms   its calculator   ours in OpenMM   ratio   dispersion in torch, part of ours")
    for molecules in (64, 216):
        topology, positions = water_box(molecules)
        atoms = ase.Atoms(
            [atom.element.symbol for atom in topology.atoms()],
            positions.value_in_unit(unit.angstrom),
            cell=np.array(topology.getPeriodicBoxVectors().value_in_unit(unit.angstrom)),
            pbc=True,
        )
        calc = calculator(dtype="float32")
        system = MLPotential("polarmp", modelPath="so3lr").createSystem(topology)
        integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
        simulation = app.Simulation(topology, system, integrator, PLATFORM, {"Threads": "1"})
        simulation.context.setPositions(positions)
        simulation.step(3)
        network, pairs = load_model("so3lr").network.requires_grad_(False), far_pairs(atoms)
        their_times, our_times, dispersion_times = [], [], []
        for _ in range(5):
            atoms.rattle(0.01, seed=len(our_times))
            their_times += cpu_times(lambda: calc.calculate(atoms), 1)  # noqa: B023
            our_times += [t / 3 for t in cpu_times(lambda: simulation.step(3), 1)]  # noqa: B023
            dispersion_times += cpu_times(lambda: dispersion_step(network, pairs), 1)  # noqa: B023
        its, own, part = (statistics.median(t) for t in (their_times, our_times, dispersion_times))
        print(f"{len(atoms):5d}   {its:14.3f}   {own:14.3f}   {its / own:5.1f}   {part:.3f} = {100 * part / own:.0f} %")


def far_pairs(atoms: ase.Atoms) -> tuple:
    """What the dispersion is computed from."""
    from openmm_polarmp.neighbors import neighbor_pairs

    positions = torch.tensor(atoms.positions, dtype=torch.float32)
    cell = torch.tensor(np.array(atoms.cell), dtype=torch.float32)
    index, shifts = neighbor_pairs(positions, MODEL.cutoff, cell)
    return positions, torch.tensor(atoms.numbers), index, shifts.float(), cell


def dispersion_step(network: torch.nn.Module, pairs: tuple) -> None:
    """The dispersion's part of a step: choice of pairs, energy and derivatives."""
    positions, numbers, index, shifts, cell = pairs
    leaf = positions.clone().requires_grad_(True)
    _, far = network.select_pairs(leaf, index, shifts, cell, None)
    ratios = torch.ones(len(leaf), requires_grad=True)
    energy = network.dispersion_energy(ratios, numbers, leaf, far, cell, None)
    torch.autograd.grad(energy.sum(), (leaf, ratios))


def show_dimers() -> None:
    """Interaction energies, as differences to those at the largest distance."""
    ion = molecule("HCOOH")[:4]
    ammonium = molecule("NH3") + ase.Atoms("H", [[0, 0, 1.15]])
    distances = (2.8, 3.2, 4.0, 5.0, 6.0, 8.0, 10.0, 11.0, 11.5, 12.0, 13.0, 15.0, 20.0, 30.0)
    cases = (
        ("water dimer", molecule("H2O"), molecule("H2O"), 0),
        ("chloride and water", ase.Atoms("Cl"), molecule("H2O"), -1),
        ("formate and ammonium", ion, ammonium, 0),
    )
    for name, first, second, charge in cases:
        print(f"\n{name}: E(d) - E(30 A) in meV\n  d/A       ours  its package, 12 A   1000 A")
        rows = []
        for distance in distances:
            other = second.copy()
            other.translate(np.array([0, 0, distance]) + first.positions[0] - other.positions[0])
            atoms = first + other
            atoms.info["charge"] = charge
            rows.append((ours(atoms)[0], theirs(atoms)[0], theirs(atoms, cutoff=1000.0)[0]))
        for distance, row in zip(distances, 1e3 * (np.array(rows) - rows[-1]), strict=True):
            print(f"{distance:5.1f} {row[0]:10.2f} {row[1]:18.2f} {row[2]:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shows = {"calculator": show_calculator, "convergence": show_convergence, "speed": show_speed, "dimers": show_dimers}
    parser.add_argument("what", choices=shows)
    shows[parser.parse_args().what]()
