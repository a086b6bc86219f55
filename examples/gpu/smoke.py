"""Does OpenMM's platform (default CUDA) give the forces of the Reference platform? smoke.py [platform]

Each case runs in a process of its own, all at a time: a crash, also one at the end of a Context, is seen and stops nothing.
Only what the package offers its users is used here.
"""

from __future__ import annotations

import gc
import os
import sys
import time

PRECISIONS = ("single", "mixed", "double")
LARGE = int(os.environ.get("POLARMP_GPU_LARGE", 24000))


def cases(platform: str) -> list[str]:
    names = ["fixed box", "fixed cluster", f"large {LARGE}"]
    for evaluator in ("torch", "native"):
        names += [f"network {evaluator} {p}" for p in PRECISIONS]
    names += ["together 3000", "no waits"] if platform == "CUDA" else ["together 192"]
    return names


def main(platform: str) -> int:
    from turns import together

    here = os.path.abspath(__file__)
    started = time.time()
    commands = [(c, [sys.executable, here, platform, c], {}) for c in cases(platform)]
    bad = together(commands, float(os.environ.get("POLARMP_GPU_DEADLINE", 75)), lambda text: "\ncase " in "\n" + text)
    print(
        f"RESULT {len(commands) - len(bad)} of {len(commands)} cases good in {time.time() - started:.0f} s"
        + (f"; not: {', '.join(bad)}" if bad else "")
    )
    return len(bad)


def fixed(platform: str, periodic: bool) -> bool:
    """All five moments, drawn at random, in every precision mode, without and in a field."""
    import numpy as np
    from common import compare, context_of, evaluated, system_of

    from openmm_polarmp import FixedMultipoles, PolarMPForce

    rng, n = np.random.default_rng(1), 200
    edge = (n / 100) ** (1 / 3)
    quadrupoles = rng.normal(0, 0.1, (n, 3, 3))
    alpha = rng.normal(0, 0.1, (n, 3, 3))
    moments = FixedMultipoles(
        rng.normal(0, 0.3, n),
        rng.normal(0, 0.1, (n, 3)),
        quadrupoles,
        rng.uniform(0, 0.003, n),
        alpha @ alpha.transpose(0, 2, 1),
    )
    positions = edge * rng.random((n, 3))
    what = "box" if periodic else "cluster"
    results, good = {}, True
    for name, precision in [("Reference", None), *((platform, p) for p in PRECISIONS)]:
        try:
            force = PolarMPForce(moments)
            force.setNonbondedMethod(PolarMPForce.PME if periodic else PolarMPForce.NoCutoff)
            context = context_of(system_of([8] * n, edge if periodic else None, force), name, precision)
            context.setPositions(positions)
            results[name, precision] = evaluated(context)
            context.setParameter("polarmp_field_x", 0.3)  # V/nm
            results[name, precision, "field"] = evaluated(context)
        except Exception as error:
            good = False
            print(f"case fixed {what} {precision}: FAILED, {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        if name != "Reference":
            for extra in ((), ("field",)):
                label = f"fixed {what} {precision} {' '.join(extra)}".strip()
                good &= compare(
                    label,
                    results[(name, precision, *extra)],
                    results[("Reference", None, *extra)],
                    1e-3 if periodic else 1e-4,
                )
    print("end of the contexts", flush=True)
    return good


def large(platform: str, atoms: int) -> bool:
    """The asked accuracy, against the CPU platform's far stricter mesh."""
    from common import compare, context_of, evaluated, fixed_force, system_of, water

    positions, numbers, edge = water(atoms)
    good, results = True, {}
    for name, precision, tolerance in [("CPU", None, 1e-6), *((platform, p, 5e-4) for p in PRECISIONS)]:
        try:
            context = context_of(system_of(numbers, edge, fixed_force(numbers, tolerance=tolerance)), name, precision)
            context.setPositions(positions)
            results[name, precision] = evaluated(context)
        except Exception as error:
            good = False
            print(f"case large {precision}: FAILED, {type(error).__name__}: {str(error)[:300]}", flush=True)
            continue
        if precision:
            good &= compare(f"large {atoms} {precision}", results[name, precision], results["CPU", None], 5e-4)
    print("end of the contexts", flush=True)
    return good


def network(platform: str, evaluator: str, precision: str) -> bool:
    """The shipped water model: at the start, after steps, in another box; and how the Contexts end."""
    import numpy as np
    import openmm
    import torch
    from common import NotHere, compare, context_of, evaluated, network_force, system_of, water

    positions, numbers, edge = water(192)
    print("torch", torch.__version__, "sees a GPU" if torch.cuda.is_available() else "sees no GPU")

    def make(name, which, integrator=None):
        return context_of(system_of(numbers, edge, network_force(numbers, which)), name, precision, integrator)

    label = f"{evaluator} {precision}"
    reference = make("Reference", "torch")
    reference.setPositions(positions)
    expected = evaluated(reference)
    integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.0005)
    start = time.perf_counter()
    try:
        context = make(platform, evaluator, integrator)
    except NotHere as error:
        print(f"case {label}: not in this version ({error})")
        return True
    context.setPositions(positions)
    first = evaluated(context)
    print(f"first forces after {time.perf_counter() - start:.1f} s")
    good = compare(label, first, expected, 2e-3)
    try:
        context.setVelocitiesToTemperature(300, 1)
        integrator.step(10)
        start = time.perf_counter()
        integrator.step(90)
        later = context.getState(positions=True, energy=True, forces=True)
        print(
            f"{1e3 * (time.perf_counter() - start) / 90:.2f} ms a step of 192 atoms that move, others running beside it"
        )
        reference.setPositions(later.getPositions(asNumpy=True))
        results = later.getPotentialEnergy()._value, later.getForces(asNumpy=True)._value
        good &= compare(f"{label} after 100 steps", results, evaluated(reference), 2e-3)
        context.setPeriodicBoxVectors(*(np.eye(3) * 1.05 * edge))
        reference.setPeriodicBoxVectors(*(np.eye(3) * 1.05 * edge))
        good &= compare(f"{label} in a larger box", evaluated(context), evaluated(reference), 2e-3)
    except Exception as error:
        good = False
        print(f"case {label} steps: FAILED, {type(error).__name__}: {str(error)[:300]}", flush=True)
    # torch's and OpenMM's CUDA contexts part here: freed in the wrong one, pinned memory ends the process.
    print("end of the contexts", flush=True)
    del context, integrator, reference
    gc.collect()
    print("contexts deleted", flush=True)
    return good


def together(platform: str, atoms: int) -> bool:
    """Torch and native evaluators beside each other, on a box that needs many groups of threads."""
    from common import compare, context_of, evaluated, evaluators, network_force, system_of, water

    positions, numbers, edge = water(atoms)
    results = {}
    for name, which in [("CPU", "torch"), *((platform, e) for e in evaluators())]:
        context = context_of(system_of(numbers, edge, network_force(numbers, which)), name, "mixed")
        context.setPositions(positions)
        results[name, which] = evaluated(context)
    good = True
    for key, value in results.items():
        if key[0] == platform and platform != "CPU":
            good &= compare(f"together {atoms} {key[1]}", value, results["CPU", "torch"], 1e-3)
    print("case together done\nend of the contexts", flush=True)
    return good


def no_waits(platform: str) -> bool:
    """Without the waits between torch and OpenMM forces must come out wrong; if they do not, the order is not what makes them right."""
    from common import context_of, errors, evaluated, network_force, system_of, water

    from openmm_polarmp import _polarmp

    positions, numbers, edge = water(3000)
    results = {}
    for waits in (False, True):
        _polarmp.set_test_switches(source_waits=waits, openmm_waits=waits)
        context = context_of(system_of(numbers, edge, network_force(numbers, "torch")), platform, "mixed")
        context.setPositions(positions)
        results[waits] = evaluated(context)
    error = errors(results[False], results[True])[0]
    word = (
        "forces are wrong without waits, as they must be"
        if error > 1e-2
        else "NOTHING WENT WRONG without waits: this proves nothing"
    )
    print(f"case no waits: {word} (difference {error:.1e})")
    return True  # a fact, not a test


if __name__ == "__main__":
    platform = sys.argv[1] if len(sys.argv) > 1 else "CUDA"
    if len(sys.argv) < 3:
        sys.exit(main(platform))
    kind, _, detail = sys.argv[2].partition(" ")
    if kind == "fixed":
        ok = fixed(platform, detail == "box")
    elif kind == "large":
        ok = large(platform, int(detail))
    elif kind == "network":
        ok = network(platform, *detail.split())
    elif kind == "together":
        ok = together(platform, int(detail))
    else:
        ok = no_waits(platform)
    sys.exit(0 if ok else 1)
