"""``polarmp demo``: water with the shipped model, from building the box to a plot."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from openmm import app, unit

from openmm_polarmp._platforms.loading import platform_status
from openmm_polarmp._platforms.trial import try_platform
from openmm_polarmp.reporters import DipoleReporter, ExtrapolationReporter, MultipoleReporter
from openmm_polarmp.view import Run, plot, view

TEMPERATURE = 300 * unit.kelvin
DENSITY = 0.997  # g/cm^3
TIME_STEP = 0.5 * unit.femtosecond


def choose_platform() -> str:
    """CUDA, OpenCL on a GPU, or CPU: never OpenCL on the processor, which is for tests only."""
    loaded = {status.name for status in platform_status() if status.loaded}
    for name in ("CUDA", "OpenCL"):
        if name in loaded:
            reason, runs_on = try_platform(name)
            if not reason and "Portable Computing" not in runs_on:
                return name
    return "CPU"


def water_box(molecules: int) -> tuple[app.Topology, unit.Quantity]:
    """A box of water at 0.997 g/cm^3, equilibrated with a classical water model: on one machine always the same."""
    volume = molecules * 18.0154 / 0.602214 / DENSITY * 1e-3  # nm^3
    edge = volume ** (1 / 3)
    forcefield = app.ForceField("amber14/spce.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(forcefield, model="spce", numAdded=molecules)
    # addSolvent chooses the box: scale the molecules' centres into one of the density above.
    positions = np.array(modeller.positions.value_in_unit(unit.nanometer)).reshape(-1, 3, 3)
    box = modeller.topology.getPeriodicBoxVectors().value_in_unit(unit.nanometer)[0][0]
    centres = positions.mean(1, keepdims=True)
    positions = (positions - centres + centres * edge / box).reshape(-1, 3)
    modeller.topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    cutoff = min(0.5, 0.45 * edge) * unit.nanometer
    system = forcefield.createSystem(modeller.topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5 / unit.picosecond, 2 * unit.femtosecond)
    integrator.setRandomNumberSeed(1)
    # With several threads the order of sums is a matter of chance.
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"), {"Threads": "1"})
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(5000)
    return modeller.topology, context.getState(positions=True).getPositions(asNumpy=True)


def run_demo(
    output: str, molecules: int = 64, steps: int = 4000, model: str = "polarmp-water", platform: str | None = None
) -> None:
    """Build a box of water, minimise its energy, simulate it at 300 K, and plot the results.

    Parameters
    ----------
    output : str
        Folder for trajectory (DCD), energies and dipoles (CSV), moments of all atoms (NPZ), checkpoint, graphs (PNG) and
        a page to look at the run in a browser (HTML).
    molecules, steps : int
        Size of the box and length of the run, in steps of 0.5 fs.
    model : str
        Model file or name.
    platform : str, optional
        OpenMM platform; by default the fastest real device.
    """
    for name, value, least in (("molecules", molecules, 8), ("steps", steps, 20)):
        if value < least:
            raise ValueError(f"{name} is {value}; at least {least} is accepted")
    from openmm_polarmp.mlpotential import PolarMPPotentialImpl

    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    name = platform or choose_platform()
    print(f"Water: {molecules} molecules, model {model}, OpenMM platform {name}")
    topology, positions = water_box(molecules)
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    # The same as MLPotential('polarmp', modelPath=model).createSystem(topology).
    PolarMPPotentialImpl("polarmp", model).addForces(topology, system, None, 0)
    system.addForce(openmm.CMMotionRemover())
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5 / unit.picosecond, TIME_STEP)
    simulation = app.Simulation(topology, system, integrator, openmm.Platform.getPlatformByName(name))
    simulation.context.setPositions(positions)

    def energy() -> float:
        return simulation.context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)

    before = energy()
    simulation.minimizeEnergy(tolerance=100 * unit.kilojoule_per_mole / unit.nanometer, maxIterations=20)
    print(f"Minimised: {before:.1f} -> {energy():.1f} kJ/mol")
    simulation.context.setVelocitiesToTemperature(TEMPERATURE, 1)

    interval = max(1, steps // 150)
    files = {
        k: folder / v
        for k, v in dict(
            dcd="water.dcd", energies="energies.csv", dipoles="dipoles.csv", outside="outside.csv", pdb="water.pdb"
        ).items()
    }
    with open(files["pdb"], "w", encoding="utf-8") as pdb:
        app.PDBFile.writeFile(topology, positions, pdb)
    extrapolation = ExtrapolationReporter(files["outside"], interval)
    moments = folder / "moments"
    shutil.rmtree(moments, ignore_errors=True)  # of an earlier demonstration in this folder
    simulation.reporters += [
        MultipoleReporter(moments, interval),
        extrapolation,
        app.DCDReporter(str(files["dcd"]), interval),
        app.StateDataReporter(
            str(files["energies"]),
            interval,
            step=True,
            time=True,
            potentialEnergy=True,
            kineticEnergy=True,
            temperature=True,
        ),
        DipoleReporter(
            str(files["dipoles"]), min(8, interval)
        ),  # every 4 fs: the spectrum ends at 4170 1/cm, above the O-H stretch
        _Progress(steps),
    ]
    simulation.step(steps)
    simulation.saveCheckpoint(str(folder / "water.chk"))
    simulation.reporters.clear()  # closes the files
    written = [*files.values(), *sorted(moments.iterdir()), folder / "water.chk"]
    if extrapolation.violations:
        print(
            f"Outside the range of the model's training data in {extrapolation.violations} of {extrapolation.reports} reports: "
            "see outside.csv"
        )
    try:
        run = Run(folder)
        plot(run).savefig(folder / "water.png", dpi=120)
        view(run).save(folder / "view.html")
        written += [folder / "water.png", folder / "view.html"]
    except ImportError as error:
        print(f"No graphs: {error}")
    print("Written to", folder)
    for path in written:
        print(f"  {path.relative_to(folder)!s:26s} {path.stat().st_size / 1024:8.1f} kB")
    if (folder / "view.html") in written:
        print(f"Look at it with: polarmp view {shlex.quote(str(folder))} --open, or open view.html in a browser")


class _Progress:
    """Prints speed and time left: on a terminal one line that is overwritten, in a file a few lines."""

    def __init__(self, steps: int) -> None:
        self._steps, self._start = steps, time.perf_counter()
        self._interval = max(1, steps // (50 if sys.stdout.isatty() else 5))

    def describeNextReport(self, simulation: app.Simulation) -> dict[str, Any]:
        return {
            "steps": self._interval - simulation.currentStep % self._interval,
            "periodic": None,
            "include": ["energy"],
        }

    def report(self, simulation: app.Simulation, state: openmm.State) -> None:
        done = simulation.currentStep
        elapsed = time.perf_counter() - self._start
        per_step = elapsed / done
        n = 3 * simulation.system.getNumParticles() - 3
        kinetic = state.getKineticEnergy() / n
        temperature = (2 * kinetic / unit.MOLAR_GAS_CONSTANT_R).value_in_unit(unit.kelvin)
        speed = TIME_STEP.value_in_unit(unit.nanosecond) * 86400 / per_step
        end = "\r" if sys.stdout.isatty() and done < self._steps else "\n"
        print(
            f"  step {done:6d}/{self._steps}  {temperature:5.0f} K  {1000 * per_step:6.1f} ms/step  {speed:7.3f} ns/day"
            f"  {per_step * (self._steps - done):5.0f} s left ",
            end=end,
            flush=True,
        )
