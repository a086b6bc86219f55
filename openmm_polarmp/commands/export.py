"""The command ``polarmp export``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from openmm_polarmp.commands._numbers import count, finite
from openmm_polarmp.commands._parser import command


def add(commands: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = command(
        commands,
        "export",
        "Write a model as a TorchScript module: for metatomic's engines, or for one system of openmmtorch.TorchForce.",
        "polarmp export --metatomic polarmp-bio-fast water.pt",
        run,
    )
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--metatomic", action="store_true", help="for LAMMPS, GROMACS, i-PI and others, for any atoms")
    form.add_argument("--torchforce", action="store_true", help="for openmm-torch, for the atoms of a structure")
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")
    parser.add_argument(
        "structure", nargs="?", help="with --torchforce: PDB or PDBx/mmCIF file, its atoms in their order"
    )
    parser.add_argument("output", help="file to write")
    parser.add_argument("--charge", type=finite, default=0.0, help="total charge, e (default 0)")
    parser.add_argument("--multiplicity", type=count, default=1, help="spin multiplicity (default 1)")
    parser.add_argument("--precision", choices=("single", "double"), default="single")
    parser.add_argument(
        "--interaction-energy",
        action="store_true",
        help="with --torchforce: leave out the energies of the single atoms",
    )


def run(options: argparse.Namespace) -> int:
    """Write the module."""
    return _metatomic(options) if options.metatomic else _torchforce(options)


def _metatomic(options: argparse.Namespace) -> int:
    from openmm_polarmp import load_model
    from openmm_polarmp.engines.metatomic import export_metatomic

    if options.structure is not None or options.interaction_energy:
        raise ValueError("a structure and --interaction-energy are accepted with --torchforce only")
    export_metatomic(
        load_model(options.model),
        options.output,
        total_charge=options.charge,
        multiplicity=options.multiplicity,
        precision=options.precision,
        name=str(options.model),
    )
    print(f"{options.output}: {options.model} for metatomic, compared with the model")
    return 0


def _torchforce(options: argparse.Namespace) -> int:
    from openmm import app

    from openmm_polarmp import load_model
    from openmm_polarmp._files import write_atomically
    from openmm_polarmp.torchforce import check_versions, export_module, to_bytes

    if options.structure is None:
        raise ValueError("structure is missing; with --torchforce a PDB or PDBx/mmCIF file is accepted")
    if not os.path.exists(options.structure):
        raise FileNotFoundError(f"structure is {options.structure!r}; an existing file is accepted")
    reader = app.PDBxFile if Path(options.structure).suffix.lower() in (".cif", ".pdbx", ".mmcif") else app.PDBFile
    topology = reader(options.structure).topology
    without = [f"{atom.index} ({atom.name})" for atom in topology.atoms() if atom.element is None]
    if without:
        raise ValueError(
            f"structure has atoms without an element, {', '.join(without[:5])}; atoms of known elements are accepted"
        )
    module = export_module(
        load_model(options.model),
        [atom.element.atomic_number for atom in topology.atoms()],
        total_charge=options.charge,
        multiplicity=options.multiplicity,
        precision=options.precision,
        interaction_energy=options.interaction_energy,
    )
    write_atomically(Path(options.output), to_bytes(module))
    print(f"{options.output}: {options.model} for {topology.getNumAtoms()} atoms, compared with the model")
    try:
        check_versions()
    except ImportError as error:
        print(f"note: {error}")
    return 0
