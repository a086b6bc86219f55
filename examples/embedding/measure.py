"""What docs/embedding.md reports of a learned dipeptide in water: `python measure.py --help` names the measurements.

python measure.py time       step time of mechanical and electrostatic embedding, in turns
python measure.py nve        drift of the energy without a thermostat
python measure.py contexts   memory of many Contexts one after the other
python measure.py cluster    dipole of a water molecule: embedded, and in a cluster that is all model
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit
from openmmml import MLPotential

from openmm_polarmp import PolarMPForce
from openmm_polarmp.units import DEBYE_PER_E_NM

FEMTOSECOND = 0.001  # ps
KELVIN = 300
PEPTIDE = ("ACE", "ALA", "NME")


def solvated(waters: int):
    """Topology, force-field System and positions of the capped alanine in TIP3P water, minimized and relaxed."""
    pdb = app.PDBFile(str(Path(__file__).parents[1] / "alanine_dipeptide.pdb"))
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller = app.Modeller(pdb.topology, pdb.positions)
    modeller.addSolvent(field, numAdded=waters)
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=0.9 * unit.nanometer,
        switchDistance=0.8 * unit.nanometer,
        ewaldErrorTolerance=1e-4,
        constraints=None,
        rigidWater=True,
    )
    run = simulation(modeller.topology, system, openmm.LangevinMiddleIntegrator(KELVIN, 5, FEMTOSECOND))
    run.context.setPositions(modeller.positions)
    run.minimizeEnergy(maxIterations=200)
    run.context.setVelocitiesToTemperature(KELVIN, 1)
    run.step(options.relax)
    return modeller.topology, system, run.context.getState(positions=True).getPositions(asNumpy=True)


def simulation(topology, system, integrator):
    return app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(options.platform))


def embedded(topology, system, embedding: str):
    atoms = [a.index for a in topology.atoms() if a.residue.name in PEPTIDE]
    keywords = {"ewaldErrorTolerance": 1e-4} if embedding == "electrostatic" else {}
    return MLPotential("polarmp-demo-bio").createMixedSystem(topology, system, atoms, embedding=embedding, **keywords)


def measure_nve() -> None:
    topology, mm, positions = solvated(options.waters)
    system = mm if options.force_field else embedded(topology, mm, "electrostatic")
    warm = simulation(topology, system, openmm.LangevinMiddleIntegrator(KELVIN, 5, 0.5 * FEMTOSECOND))
    warm.context.setPositions(positions)
    warm.minimizeEnergy(maxIterations=20)
    warm.context.setVelocitiesToTemperature(KELVIN, 1)
    warm.step(1000)
    state = warm.context.getState(positions=True, velocities=True)
    integrator = openmm.VerletIntegrator(0.5 * FEMTOSECOND)
    integrator.setConstraintTolerance(1e-7)
    run = simulation(topology, system, integrator)
    run.context.setPositions(state.getPositions())
    run.context.setVelocities(state.getVelocities())
    freedom = 3 * system.getNumParticles() - system.getNumConstraints()
    energies, began = [], time.perf_counter()
    interval = 50
    while len(energies) * interval * 0.5 * FEMTOSECOND < options.picoseconds:
        run.step(interval)
        now = run.context.getState(energy=True)
        energies.append((now.getPotentialEnergy() + now.getKineticEnergy())._value)
        if len(energies) % 200 == 0:
            report_drift(np.array(energies), interval * 0.5 * FEMTOSECOND, freedom, time.perf_counter() - began)
    report_drift(np.array(energies), interval * 0.5 * FEMTOSECOND, freedom, time.perf_counter() - began)


def report_drift(energies: np.ndarray, interval: float, freedom: int, seconds: float) -> None:
    """Slope of the means of ten blocks, with the error of the fit."""
    blocks = np.array_split(energies, 10)
    times = np.array([t.mean() for t in np.array_split(np.arange(len(energies)) * interval, 10)])
    (slope, _), covariance = np.polyfit(times, [b.mean() for b in blocks], 1, cov=True)
    kt = 8.314462618e-3 * KELVIN
    print(
        f"{len(energies) * interval:.1f} ps: drift {slope * 1000 / freedom / kt:.2e} +- "
        f"{covariance[0, 0] ** 0.5 * 1000 / freedom / kt:.0e} kT per ns and degree of freedom, rms fluctuation "
        f"{energies.std() / freedom / kt:.1e} kT per degree of freedom; {seconds:.0f} s",
        flush=True,
    )


def measure_time() -> None:
    topology, mm, positions = solvated(options.waters)
    runs = {}
    for embedding in ("mechanical", "electrostatic"):
        integrator = openmm.LangevinMiddleIntegrator(KELVIN, 1, 0.5 * FEMTOSECOND)
        runs[embedding] = simulation(topology, embedded(topology, mm, embedding), integrator)
        runs[embedding].context.setPositions(positions)
        runs[embedding].step(20)
    times = {name: [] for name in runs}
    for _ in range(options.rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run.step(10)
            run.context.getState(positions=True)
            times[name].append((time.perf_counter() - began) / 10)
    for name, values in times.items():
        print(
            f"{name}: {1000 * min(values):.1f} ms a step (least of {len(values)}), median {1000 * np.median(values):.1f}"
        )


def measure_contexts() -> None:
    topology, mm, positions = solvated(min(options.waters, 400))
    system = embedded(topology, mm, "electrostatic")
    for i in range(options.rounds * 10):
        run = simulation(topology, system, openmm.VerletIntegrator(FEMTOSECOND))
        run.context.setPositions(positions)
        run.step(1)
        del run
        if i % 20 == 19 or i == 1:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{i + 1} Contexts: peak memory {peak:.0f} MiB", flush=True)


def dipole(context, particles, force: PolarMPForce) -> float:
    """Of a neutral molecule, in D."""
    r = context.getState(positions=True).getPositions(asNumpy=True)._value[particles]
    step = force.getStepData(context)
    index = [(force.getParticles() or list(range(context.getSystem().getNumParticles()))).index(i) for i in particles]
    q = step.charges[index] + step.induced_charges[index]
    moment = (q - q.mean()) @ r + (step.dipoles + step.induced_dipoles)[index].sum(0)
    return float(np.linalg.norm(moment)) * DEBYE_PER_E_NM


def measure_cluster() -> None:
    """The molecule in the middle of droplets from a run of TIP3P: alone, among charges, among learned molecules."""
    field = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(field, boxSize=openmm.Vec3(2, 2, 2) * unit.nanometer)
    topology = modeller.topology
    system = field.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.9 * unit.nanometer)
    run = simulation(topology, system, openmm.LangevinMiddleIntegrator(KELVIN, 5, 2 * FEMTOSECOND))
    run.context.setPositions(modeller.positions)
    run.minimizeEnergy(maxIterations=200)
    run.step(2000)
    rows = []
    for _ in range(options.rounds):
        run.step(500)
        r = run.context.getState(positions=True, enforcePeriodicBox=True).getPositions(asNumpy=True)._value
        oxygens = r[::3]
        distance = np.linalg.norm(oxygens - 1.0, axis=1)
        order = np.argsort(np.linalg.norm(oxygens - oxygens[distance.argmin()], axis=1))[: options.droplet]
        rows.append(dipoles_in_droplet(r.reshape(-1, 3, 3)[order].reshape(-1, 3)))
    means, errors = np.mean(rows, 0), np.std(rows, 0, ddof=1) / len(rows) ** 0.5
    for name, mean, error in zip(
        ("alone", "among TIP3P charges", "among learned molecules"), means, errors, strict=True
    ):
        print(f"{name}: {mean:.3f} +- {error:.3f} D")


def dipoles_in_droplet(r: np.ndarray) -> list[float]:
    topology, n = app.Topology(), len(r) // 3
    chain = topology.addChain()
    for _ in range(n):
        residue = topology.addResidue("HOH", chain)
        o, h1, h2 = (topology.addAtom(x, app.Element.getBySymbol(x[0]), residue) for x in ("O", "H1", "H2"))
        topology.addBond(o, h1)
        topology.addBond(o, h2)
    mm = app.ForceField("amber14/tip3p.xml").createSystem(topology, nonbondedMethod=app.NoCutoff)
    potential = MLPotential("polarmp-demo-bio")
    among = potential.createMixedSystem(topology, mm, [0, 1, 2], embedding="electrostatic")
    alone = potential.createMixedSystem(topology, mm, [0, 1, 2])
    values = []
    for system in (alone, among, potential.createSystem(topology)):
        force = next(PolarMPForce.cast(f) for f in system.getForces() if PolarMPForce.isinstance(f))
        context = openmm.Context(
            system, openmm.VerletIntegrator(FEMTOSECOND), openmm.Platform.getPlatformByName(options.platform)
        )
        context.setPositions(r)
        values.append(dipole(context, [0, 1, 2], force))
    return values


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("measurement", choices=("time", "nve", "contexts", "cluster"))
parser.add_argument("--waters", type=int, default=1500)
parser.add_argument("--force-field", action="store_true", help="nve: the force field alone, for comparison")
parser.add_argument("--picoseconds", type=float, default=20)
parser.add_argument("--relax", type=int, default=4000, help="steps of 1 fs by the force field first")
parser.add_argument("--rounds", type=int, default=20)
parser.add_argument("--droplet", type=int, default=60)
parser.add_argument("--platform", default="CPU")
options = parser.parse_args()
globals()[f"measure_{options.measurement}"]()
