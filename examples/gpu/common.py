"""What the scripts share: boxes of water, forces over them, Contexts, and the time of a step."""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import time

import numpy as np
import openmm

PRECISIONS = ("single", "mixed", "double")


# ---- what is simulated ---------------------------------------------------------------------------------------------


def water(atoms: int, seed: int = 0):
    """Positions (nm), atomic numbers and edge (nm) of a box of water: turned molecules on a jittered lattice."""
    rng = np.random.default_rng(seed)
    molecules = round(atoms / 3)
    edge = (molecules / 33.4) ** (1 / 3)
    side = int(np.ceil(molecules ** (1 / 3) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), -1).reshape(-1, 3).astype(float)
    grid = grid[np.sort(rng.permutation(len(grid))[:molecules])]
    oxygens = (grid + 0.1 * rng.random(grid.shape)) * edge / side
    a = rng.normal(size=(molecules, 3))
    a /= np.linalg.norm(a, axis=1)[:, None]
    b = np.cross(a, rng.normal(size=(molecules, 3)))
    b /= np.linalg.norm(b, axis=1)[:, None]
    half = np.radians(104.5 / 2)
    along, across = 0.09572 * np.cos(half) * a, 0.09572 * np.sin(half) * b
    positions = np.stack([oxygens, oxygens + along + across, oxygens + along - across], axis=1).reshape(-1, 3)
    return positions, np.tile([8, 1, 1], molecules), edge


def system_of(numbers, edge, *forces, heavy: bool = False):
    """Atoms in a cubic box. Heavy ones hardly move: each step is one evaluation of the forces."""
    system = openmm.System()
    for z in numbers:
        system.addParticle(1e6 if heavy else 15.999 if z == 8 else 1.008)
    if edge:
        system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
    for force in forces:
        system.addForce(force)
    return system


def fixed_moments(numbers, rung: str = "quQ+ka"):
    """Moments of the size that water models have."""
    from openmm_polarmp import FixedMultipoles

    rng, n, oxygen = np.random.default_rng(0), len(numbers), numbers == 8
    return FixedMultipoles(
        charges=np.where(oxygen, -0.6, 0.3),
        dipoles=rng.normal(0, 0.1, (n, 3)) if "u" in rung else None,
        quadrupoles=rng.normal(0, 0.15, (n, 3, 3)) if "Q" in rung else None,
        softness=np.where(oxygen, 0.002, 0.001) if "k" in rung else None,
        polarizability=np.where(oxygen, 0.05, 0.015) if "a" in rung else None,
    )


def fixed_force(numbers, rung: str = "quQ+ka", tolerance: float = 5e-4):
    from openmm_polarmp import PolarMPForce

    force = PolarMPForce(fixed_moments(numbers, rung))
    force.setNonbondedMethod(PolarMPForce.PME)
    force.setEwaldErrorTolerance(tolerance)
    return force


class NotHere(RuntimeError):
    """This version of the package does not have it."""


def network_force(numbers, evaluator: str = "torch", **options):
    """polarmp-water, evaluated by torch or by the plugin itself (where the package has the keyword)."""
    from openmm_polarmp import PolarMPForce

    numbers = [int(z) for z in numbers]
    try:
        force = PolarMPForce("polarmp-water", atomic_numbers=numbers, evaluator=evaluator, **options)
    except (TypeError, ValueError) as error:
        if evaluator != "torch":
            raise NotHere(f"evaluator='{evaluator}': {str(error)[:120]}") from None
        force = PolarMPForce("polarmp-water", atomic_numbers=numbers, **options)
    force.setNonbondedMethod(PolarMPForce.PME)
    return force


def evaluators() -> list[str]:
    """Which of 'torch' and 'native' this version of the package has."""
    available = []
    for name in ("torch", "native"):
        try:
            network_force([8, 1, 1], name)
        except NotHere as error:
            print(error, flush=True)
            continue
        available.append(name)
    return available


def point_charges(numbers, edge):
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.PME)
    force.setCutoffDistance(min(0.9, 0.45 * edge))
    for z in numbers:
        force.addParticle(-0.6 if z == 8 else 0.3, 0.3, 0.0)
    return force


def amoeba_system(numbers, edge, polarization: str, whole: bool):
    """AMOEBA water; its multipoles alone unless the whole force field is asked for."""
    from openmm import app, unit

    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(len(numbers) // 3):
        residue = topology.addResidue("HOH", chain)
        oxygen, *hydrogens = (topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2"))
        for hydrogen in hydrogens:
            topology.addBond(oxygen, hydrogen)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    system = app.ForceField("amoeba2018.xml").createSystem(
        topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=min(0.7, 0.45 * edge) * unit.nanometer,
        polarization=polarization,
        constraints=None,
        rigidWater=False,
    )
    for index in reversed(range(system.getNumForces())):
        if not whole and not isinstance(system.getForce(index), openmm.AmoebaMultipoleForce):
            system.removeForce(index)
    for particle in range(system.getNumParticles()):
        system.setParticleMass(particle, 1e6)
    return system


# ---- Contexts ------------------------------------------------------------------------------------------------------


def context_of(system, platform: str, precision: str | None = None, integrator=None, **properties):
    chosen = openmm.Platform.getPlatformByName(platform)
    if precision:
        properties["Precision"] = precision
    known = {name: value for name, value in properties.items() if name in chosen.getPropertyNames()}
    return openmm.Context(system, integrator or openmm.VerletIntegrator(0.001), chosen, known)


def evaluated(context):
    """kJ/mol and kJ/mol/nm"""
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def errors(result, reference) -> tuple[float, float]:
    """Of the forces over their root mean square, and of the energy over the reference one."""
    force = np.linalg.norm(result[1] - reference[1]) / np.linalg.norm(reference[1])
    return float(force), abs(result[0] - reference[0]) / max(abs(reference[0]), 1e-30)


def compare(name: str, result, reference, tolerance: float) -> bool:
    force, energy = errors(result, reference)
    good = bool(force < tolerance and energy < tolerance)
    word = "ok" if good else "WRONG"
    print(
        f"case {name}: {word}, force error {force:.1e}, energy error {energy:.1e} (allowed {tolerance:.0e})", flush=True
    )
    return good


# ---- time ----------------------------------------------------------------------------------------------------------


def wait(context) -> None:
    context.getState(positions=True)  # a download waits for what the GPU still has to do


def milliseconds(context, integrator, seconds: float = 0.6) -> float:
    """Median over bunches of steps."""
    integrator.step(3)
    wait(context)
    start = time.perf_counter()
    integrator.step(1)
    wait(context)
    bunch = max(1, int(seconds / 8 / max(time.perf_counter() - start, 1e-5)))
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        integrator.step(bunch)
        wait(context)
        times.append((time.perf_counter() - start) / bunch)
    return 1e3 * statistics.median(times)


# ---- the machine ---------------------------------------------------------------------------------------------------


def card() -> str:
    """Name, driver, clock and memory in use of the first GPU."""
    query = "--query-gpu=name,driver_version,clocks.sm,clocks.mem,memory.used,memory.total"
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
        return (done.stdout.strip().splitlines() or ["no GPU"])[0]
    except (OSError, subprocess.TimeoutExpired):
        return "no GPU"


def versions() -> str:
    import torch

    from openmm_polarmp import __version__

    where = f"torch {torch.__version__}, OpenMM {openmm.version.version}, openmm-polarmp {__version__}"
    try:
        version = ctypes.c_int()
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
        where += f", driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    except OSError:
        pass
    return where


def torch_megabytes() -> str:
    """Memory that torch holds on the GPU now, and the most that it held."""
    import torch

    if not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return ""
    return f"torch {torch.cuda.memory_allocated() / 2**20:.0f} MiB, at most {torch.cuda.max_memory_allocated() / 2**20:.0f}"


def resident_megabytes() -> float:
    with open(f"/proc/{os.getpid()}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024
