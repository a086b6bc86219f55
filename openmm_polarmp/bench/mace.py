"""The whole step of a model beside MACE on the same boxes of water: ``python -m openmm_polarmp.bench.mace``.

For an environment with mace-torch (its e3nn 0.4.4 serves both). The MACE networks have random weights, which take as long
as trained ones; their time is that of energies and forces for pairs that are known. The model's time is that of a whole
step in OpenMM: pairs, network, electrostatics and integrator. The two are measured alternately, so that other work on the
machine slows both.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openmm
import torch

from openmm_polarmp import PolarMPForce, __version__
from openmm_polarmp.bench.machine import machine
from openmm_polarmp.bench.timing import Stepper, function_milliseconds
from openmm_polarmp.bench.water_box import empty_system, water_box_nm

CUTOFF = 4.5  # A, that of polarmp-water
TURNS = 3


@dataclass(frozen=True)
class Size:
    """Size of a MACE network: channels and symmetry of its features, degree of its spherical harmonics, layers."""

    features: str
    max_ell: int
    layers: int = 2

    def __str__(self) -> str:
        return f"MACE {self.layers} x {self.features}, l_max {self.max_ell}"


SIZES = (Size("64x0e", 2), Size("96x0e", 3))


def mace_step(size: Size, atoms: int) -> Callable[[], object]:
    """Energy and forces of a MACE network with random weights on a box of water, in single precision."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        from e3nn import o3
        from mace.data import AtomicData, config_from_atoms
        from mace.modules import ScaleShiftMACE, interaction_classes
        from mace.tools import AtomicNumberTable, torch_geometric

    import ase

    positions, species, edge = water_box_nm(atoms)
    frame = ase.Atoms(species, 10 * positions, cell=10 * edge * np.eye(3), pbc=True)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = AtomicNumberTable([1, 8])
            data = AtomicData.from_config(config_from_atoms(frame), z_table=table, cutoff=CUTOFF)
            batch = torch_geometric.Batch.from_data_list([data]).to_dict()
            torch.manual_seed(0)
            network = ScaleShiftMACE(
                r_max=CUTOFF,
                num_bessel=8,
                num_polynomial_cutoff=5,
                max_ell=size.max_ell,
                interaction_cls=interaction_classes["RealAgnosticResidualInteractionBlock"],
                interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
                num_interactions=size.layers,
                num_elements=2,
                hidden_irreps=o3.Irreps(size.features),
                MLP_irreps=o3.Irreps("16x0e"),
                gate=torch.nn.functional.silu,
                atomic_energies=np.zeros(2),
                avg_num_neighbors=float(data.edge_index.shape[1]) / len(frame),
                atomic_numbers=table.zs,
                correlation=3,
                atomic_inter_scale=1.0,
                atomic_inter_shift=0.0,
            )
    finally:
        torch.set_default_dtype(previous)

    def step() -> object:
        # MACE lets the positions require gradients in place.
        return network(dict(batch), compute_force=True)["forces"]

    return step


def polarmp_step(model: str, atoms: int, threads: int, evaluator: str | None = None) -> Stepper:
    """A step of a model's force on the same box, on the CPU platform."""
    positions, species, edge = water_box_nm(atoms)
    system = empty_system(len(species), edge)
    force = PolarMPForce(model, atomic_numbers=species.tolist(), evaluator=evaluator)
    force.setNonbondedMethod(PolarMPForce.PME)
    system.addForce(force)
    return Stepper(system, positions, "CPU", {"Threads": str(threads)})


def compare(model: str, atoms: int, threads: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of a step of the model and of each MACE network."""
    stepper = polarmp_step(model, atoms, threads)
    networks = {str(size): mace_step(size, atoms) for size in SIZES}
    times: dict[str, list[float]] = {model: [], **{name: [] for name in networks}}
    for _ in range(TURNS):
        times[model].append(stepper.milliseconds(seconds / TURNS))
        for name, step in networks.items():
            times[name].append(function_milliseconds(step, "cpu", seconds / TURNS))
    return {name: statistics.median(values) for name, values in times.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print a table for some sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, nargs="+", default=[192, 1536], help="sizes (default 192 1536)")
    parser.add_argument("--model", default="polarmp-water", help="model of the whole step (default polarmp-water)")
    parser.add_argument("--threads", type=int, default=2, help="threads of both (default 2)")
    parser.add_argument("--seconds", type=float, default=6.0, help="duration of each measurement (default 6)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    from importlib.metadata import version

    print(
        f"{machine('cpu')}, OpenMM {openmm.version.short_version}, openmm-polarmp {__version__}, "
        f"mace-torch {version('mace-torch')}; single precision, cutoff {CUTOFF} A; medians in ms\n"
    )
    names = [f"{options.model}, whole step", *(f"{size}, energy and forces" for size in SIZES)]
    print("| atoms | " + " | ".join(names) + " | MACE / whole step |\n" + "|---" * (len(names) + 2) + "|")
    for atoms in options.atoms:
        step, *others = compare(options.model, atoms, options.threads, options.seconds).values()
        ratios = ", ".join(f"{other / step:.0f}" for other in others)
        print(
            f"| {atoms} | {step:.2f} | " + " | ".join(f"{other:.0f}" for other in others) + f" | {ratios} |", flush=True
        )


if __name__ == "__main__":
    main()
