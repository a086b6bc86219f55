"""Runs that take steps: dynamics.py PLATFORM determinism|endurance|barostat|mixed|threads|reread [seconds]

Every line "case ..." is one finding; the exit status says whether all were good.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time

import numpy as np
import openmm
from common import (
    compare,
    context_of,
    evaluated,
    evaluators,
    fixed_force,
    network_force,
    resident_megabytes,
    system_of,
    torch_megabytes,
    water,
)

MODE = "mixed"
RUNS = ("determinism", "endurance", "barostat", "mixed", "threads", "reread")


def forces_by_source() -> dict:
    makers = {"fixed moments": lambda numbers: fixed_force(numbers)}
    for evaluator in evaluators():
        makers[f"network {evaluator}"] = lambda numbers, e=evaluator: network_force(numbers, e)
    return makers


# ---- the same numbers every time -----------------------------------------------------------------------------------


def determinism(platform: str, atoms: int = 3000) -> bool:
    """Two Contexts and two evaluations in one of them: the same forces bit by bit? Then 20 steps from the same start."""
    positions, numbers, edge = water(atoms)
    for what, make in forces_by_source().items():
        evaluations, after = [], []
        for _ in range(2):
            integrator = openmm.VerletIntegrator(0.0002)
            context = context_of(
                system_of(numbers, edge, make(numbers)), platform, MODE, integrator, DeterministicForces="true"
            )
            for _ in range(2):
                context.setPositions(positions)
                evaluations.append(evaluated(context))
            integrator.step(20)
            after.append(np.array(context.getState(positions=True).getPositions(asNumpy=True)._value))
            del context, integrator
        first = evaluations[0]
        same = [np.array_equal(first[1], other[1]) for other in evaluations[1:]]
        energies = [first[0] == other[0] for other in evaluations[1:]]
        largest = max(float(np.abs(first[1] - other[1]).max()) for other in evaluations[1:]) / float(
            np.abs(first[1]).max()
        )
        print(
            f"case determinism {what}: forces {'the same bit by bit' if all(same) else f'DIFFER, by up to {largest:.1e} of the largest ({same})'}; "
            f"energies {'the same' if all(energies) else 'differ'}; after 20 steps positions {'the same' if np.array_equal(*after) else f'differ by {np.abs(after[0] - after[1]).max():.1e} nm'}",
            flush=True,
        )
    return True  # facts


# ---- long runs -----------------------------------------------------------------------------------------------------


def endurance(platform: str, seconds: float = 20) -> bool:
    """64 molecules of water at 300 K: everything finite, no atom lost, memory constant; by every source."""
    positions, numbers, edge = water(192)
    good = True
    for what, make in forces_by_source().items():
        if what == "fixed moments":
            continue
        integrator = openmm.LangevinMiddleIntegrator(300, 10, 0.0005)
        context = context_of(system_of(numbers, edge, make(numbers)), platform, MODE, integrator)
        context.setPositions(positions)
        for _ in range(20):  # the lattice is far from equilibrium
            context.setVelocitiesToTemperature(300)
            integrator.step(10)
        steps, start, history = 0, time.perf_counter(), []
        try:
            while time.perf_counter() - start < seconds:
                integrator.step(250)
                steps += 250
                state = context.getState(positions=True, velocities=True, energy=True, forces=True)
                energy = state.getPotentialEnergy()._value
                kinetic = state.getKineticEnergy()._value
                if not (math.isfinite(energy) and np.isfinite(state.getForces(asNumpy=True)._value).all()):
                    print(f"case endurance {what}: NOT FINITE at step {steps}", flush=True)
                    return False
                history.append(
                    (resident_megabytes(), 2 * kinetic / (3 * len(numbers) * 0.0083145), energy, torch_megabytes())
                )
        except Exception as error:
            print(
                f"case endurance {what}: FAILED at step {steps}, {type(error).__name__}: {str(error)[:300]}", flush=True
            )
            good = False
            continue
        spent = time.perf_counter() - start
        half = history[len(history) // 2 :]
        grown = half[-1][0] - half[0][0]
        ok = grown < 5
        good &= ok
        print(
            f"case endurance {what}: {'ok' if ok else 'MEMORY GROWS'}, {steps} steps in {spent:.0f} s ({1e3 * spent / steps:.3f} ms each, others beside it), mean temperature of the second half "
            f"{np.mean([h[1] for h in half]):.0f} K, potential energy {half[-1][2]:.0f} kJ/mol, host {half[0][0]:.0f} -> {half[-1][0]:.0f} MiB, {half[0][3]} -> {half[-1][3]}",
            flush=True,
        )
        del context, integrator
        gc.collect()
    return good


# ---- boxes that change ---------------------------------------------------------------------------------------------


def barostat(platform: str) -> bool:
    """After 200 steps with a barostat energies and forces are those of a fresh Context on Reference."""
    positions, numbers, edge = water(192)
    good = True
    kinds = {
        "isotropic": lambda: openmm.MonteCarloBarostat(1000, 300, 2),
        "flexible": lambda: openmm.MonteCarloFlexibleBarostat(1000, 300, 2),
    }
    for what, make in forces_by_source().items():
        if what == "fixed moments":
            continue
        for kind, barostat_of in kinds.items():
            integrator = openmm.LangevinMiddleIntegrator(300, 10, 0.0002)
            context = context_of(system_of(numbers, edge, make(numbers), barostat_of()), platform, MODE, integrator)
            context.setPositions(positions)
            context.setVelocitiesToTemperature(300, 1)
            integrator.step(200)
            state = context.getState(positions=True)
            box = state.getPeriodicBoxVectors()
            moved = float(np.abs(np.array(box._value) - edge * np.eye(3)).max())
            reference = context_of(system_of(numbers, edge, network_force(numbers, "torch")), "Reference")
            reference.setPeriodicBoxVectors(*box)
            reference.setPositions(state.getPositions(asNumpy=True))
            good &= compare(
                f"barostat {kind} {what}, box changed by {moved:.1e} nm", evaluated(context), evaluated(reference), 2e-3
            )
            good &= moved > 1e-5
            del context, integrator
    return good


# ---- OpenMM-ML's mixed system --------------------------------------------------------------------------------------


def mixed(platform: str) -> bool:
    """27 molecules of water with a force field, of which 3 by the network; also interpolated."""
    from openmm import app, unit
    from openmmml import MLPotential

    positions, _numbers, _ = water(81)
    edge = 1.2
    positions = positions * edge / (27 / 33.4) ** (1 / 3)
    topology = app.Topology()
    chain = topology.addChain()
    for k in range(27):
        residue = topology.addResidue("HOH", chain)
        oxygen, *hydrogens = (topology.addAtom(n, app.Element.getBySymbol(n[0]), residue) for n in ("O", "H1", "H2"))
        for j, hydrogen in enumerate(hydrogens):
            topology.addBond(oxygen, hydrogen)
            bond = positions[3 * k + 1 + j] - positions[3 * k]
            positions[3 * k + 1 + j] = positions[3 * k] + 0.09572 * bond / np.linalg.norm(bond)
    topology.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    mm = app.ForceField("amber14/tip3p.xml").createSystem(
        topology, nonbondedMethod=app.PME, nonbondedCutoff=0.5, constraints=None, rigidWater=True
    )
    atoms = [a.index for a in topology.atoms() if a.residue.index < 3]
    good = True
    for interpolate in (False, True):
        systems = {}
        for evaluator in evaluators():
            options = {"interpolate": interpolate}
            try:
                systems[evaluator] = MLPotential("polarmp-water").createMixedSystem(
                    topology, mm, atoms, evaluator=evaluator, **options
                )
            except (TypeError, ValueError) as error:
                print(f"case mixed {evaluator}: not in this version ({str(error)[:100]})")
                if evaluator == "torch":
                    systems[evaluator] = MLPotential("polarmp-water").createMixedSystem(topology, mm, atoms, **options)
        reference = context_of(systems["torch"], "Reference")
        for evaluator, system in systems.items():
            integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
            context = context_of(system, platform, MODE, integrator)
            context.setPositions(positions)
            reference.setPositions(positions)
            label = f"mixed system {evaluator}{', interpolated' if interpolate else ''}"
            if interpolate:
                for value in (0.0, 0.3):
                    context.setParameter("lambda_interpolate", value)
                    reference.setParameter("lambda_interpolate", value)
                    good &= compare(f"{label} at {value}", evaluated(context), evaluated(reference), 2e-3)
                continue
            good &= compare(label, evaluated(context), evaluated(reference), 2e-3)
            integrator.step(50)
            later = context.getState(positions=True)
            reference.setPositions(later.getPositions(asNumpy=True))
            good &= compare(f"{label} after 50 steps", evaluated(context), evaluated(reference), 2e-3)
    return good


# ---- threads -------------------------------------------------------------------------------------------------------


def threads(platform: str) -> bool:
    """Two Contexts in two threads: each as if it were alone."""
    good = True
    for what, make in forces_by_source().items():
        boxes = [water(192, seed) for seed in (0, 1)]
        expected = []
        for positions, numbers, edge in boxes:
            force = fixed_force(numbers) if what == "fixed moments" else network_force(numbers, "torch")
            reference = context_of(system_of(numbers, edge, force), "CPU")
            reference.setPositions(positions)
            expected.append(evaluated(reference))
        results: list = [None, None]

        def work(k, boxes=boxes, make=make, results=results):
            try:
                positions, numbers, edge = boxes[k]
                context = context_of(system_of(numbers, edge, make(numbers)), platform, MODE)
                for _ in range(30):
                    context.setPositions(positions)
                    results[k] = evaluated(context)
            except Exception as error:
                results[k] = error

        running = [threading.Thread(target=work, args=(k,)) for k in range(2)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        for k in range(2):
            if isinstance(results[k], Exception) or results[k] is None:
                good = False
                print(
                    f"case threads {what} {k}: FAILED {type(results[k]).__name__}: {str(results[k])[:300]}", flush=True
                )
            else:
                good &= compare(f"threads {what} {k}", results[k], expected[k], 2e-3)
    return good


# ---- states that are saved -----------------------------------------------------------------------------------------


def reread(platform: str) -> bool:
    """XML and checkpoints: the path continues; and many Contexts in a row leave nothing behind."""
    positions, numbers, edge = water(192)
    good = True
    for what, make in forces_by_source().items():
        system = system_of(numbers, edge, make(numbers))

        def new(system=system):
            integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
            integrator.setRandomNumberSeed(7)
            return context_of(system, platform, MODE, integrator, DeterministicForces="true"), integrator

        context, integrator = new()
        context.setPositions(positions)
        context.setVelocitiesToTemperature(300, 1)
        integrator.step(10)
        checkpoint = context.createCheckpoint()
        integrator.step(10)
        expected = context.getState(positions=True).getPositions(asNumpy=True)._value
        context.loadCheckpoint(checkpoint)
        integrator.step(10)
        again = context.getState(positions=True).getPositions(asNumpy=True)._value
        off = float(np.abs(expected - again).max())
        good &= off < 1e-4
        print(
            f"case checkpoint {what}: {'ok' if off < 1e-4 else 'WRONG'}, off by {off:.1e} nm after 10 steps", flush=True
        )
        system = openmm.XmlSerializer.clone(system)
        other, _ = new(system)
        other.setPositions(positions)
        context.setPositions(positions)
        good &= compare(f"XML {what}", evaluated(other), evaluated(context), 1e-5)
        del context, integrator, other
        gc.collect()
        sizes = []
        for _ in range(8):
            context, integrator = new()
            context.setPositions(positions)
            integrator.step(2)
            del context, integrator
            gc.collect()
            sizes.append((resident_megabytes(), torch_megabytes()))
        print(
            f"case contexts in a row {what}: host {sizes[1][0]:.0f} -> {sizes[-1][0]:.0f} MiB over {len(sizes) - 2} more Contexts; {sizes[1][1]} -> {sizes[-1][1]}",
            flush=True,
        )
    return good


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if sys.argv[2] == "all":  # each in a process of its own, all at a time
        from turns import together

        commands = [(name, [sys.executable, __file__, sys.argv[1], name, *sys.argv[3:]], {}) for name in RUNS]
        bad = together(commands, float(os.environ.get("POLARMP_GPU_DEADLINE", 75)))
        print(f"RESULT {len(RUNS) - len(bad)} of {len(RUNS)} good" + (f"; not: {', '.join(bad)}" if bad else ""))
        sys.exit(1 if bad else 0)
    options = {"seconds": float(sys.argv[3])} if sys.argv[2] == "endurance" and len(sys.argv) > 3 else {}
    if sys.argv[2] == "determinism" and len(sys.argv) > 3 and sys.argv[1] != "CUDA":
        options = {"atoms": 192}
    try:
        ok = globals()[sys.argv[2]](sys.argv[1], **options)
    except Exception as error:
        print(f"case {sys.argv[2]}: FAILED {type(error).__name__}: {str(error)[:300]}", flush=True)
        raise
    sys.exit(0 if ok else 1)
