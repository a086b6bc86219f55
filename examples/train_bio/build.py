"""Peptides, disulfides, phosphates, ions and fragments of ligands, alone, in water and beside each other, without labels.

    python examples/train_bio/build.py FOLDER built.extxyz

RDKit makes conformations and relaxes them with MMFF94; water comes from the clusters of SPICE in FOLDER (water60.hdf5).
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import ase
import ase.io
import h5py
import numpy as np
from ase.data import vdw_radii
from frames import chosen, closest, disturbed, frame_of, joined, molecule_of, part_of
from rdkit import Chem
from rdkit.Chem import BRICS, AllChem

# Side chains, protonation states and phosphorylations among them; proline closes a ring.
RESIDUES = {
    **{"A": "C", "R": "CCCNC(N)=[NH2+]", "N": "CC(N)=O", "D": "CC(=O)[O-]", "DH": "CC(=O)O", "C": "CS", "C-": "C[S-]"},
    **{"E": "CCC(=O)[O-]", "EH": "CCC(=O)O", "Q": "CCC(N)=O", "G": "", "HD": "Cc1c[nH]cn1", "HE": "Cc1cnc[nH]1"},
    **{"HP": "Cc1c[nH]c[nH+]1", "I": "[C@@H](C)CC", "L": "CC(C)C", "K": "CCCC[NH3+]", "KN": "CCCCN", "M": "CCSC"},
    **{"F": "Cc1ccccc1", "P": "", "S": "CO", "T": "[C@H](O)C", "W": "Cc1c[nH]c2ccccc12", "Y": "Cc1ccc(O)cc1"},
    **{"V": "C(C)C", "SP": "COP(=O)([O-])[O-]", "TP": "[C@H](OP(=O)(O)[O-])C", "YP": "Cc1ccc(OP(=O)([O-])[O-])cc1"},
}
MOLECULES = """
O [Cl-] [NH4+] CC(=O)[O-] C[NH3+] C[N+](C)(C)C NC(N)=[NH2+] c1c[nH]c[nH+]1 C[S-] [O-]c1ccccc1 OC(=O)[O-] O=C[O-]
CC[S-] CC(C)[S-] [S-]c1ccccc1 CC(=O)N[C@@H](C[S-])C(=O)[O-] OCC[S-] CCC[S-] CS CCCS SCCO Sc1ccccc1 CC(S)C(=O)O
CCOP(=O)([O-])[O-] CC(C)OP(=O)([O-])[O-] OCCOP(=O)([O-])[O-] OCC(O)COP(=O)([O-])[O-] O=P([O-])([O-])Oc1ccccc1 C=C(OP(=O)([O-])[O-])C(=O)[O-]
CCOP(=O)(O)[O-] O=P(O)([O-])Oc1ccccc1 OCCOP(=O)(O)[O-] CCOP(=O)([O-])OCC CP(=O)([O-])[O-] CP(=O)(O)[O-] [NH3+]CCOP(=O)([O-])[O-] CCSCC CCS(=O)CC
COP(=O)([O-])OC COP(=O)([O-])[O-] COP(=O)(O)[O-] OP(=O)(O)[O-] OP(=O)([O-])[O-] COP(=O)([O-])OP(=O)([O-])[O-] COS(=O)(=O)[O-] CS(=O)(=O)[O-]
CSSC CCSSCC CC(=O)N[C@@H](CSSC[C@H](NC(C)=O)C(=O)NC)C(=O)NC CSC CCS CS(=O)C CS(C)(=O)=O NS(=O)(=O)c1ccccc1
Cn1ccc(N)nc1=O Cc1cn(C)c(=O)[nH]c1=O Cn1ccc(=O)[nH]c1=O Cn1cnc2c(N)ncnc21 Cn1cnc2c(=O)[nH]c(N)nc21
OC[C@H]1O[C@@H](n2cnc3c(N)ncnc32)[C@H](O)[C@@H]1O OC[C@H]1O[C@@H](n2ccc(=O)[nH]c2=O)C[C@@H]1O COP(=O)([O-])OC[C@H]1O[C@@H](N)C[C@@H]1O
OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O OC[C@H]1OC[C@H](O)[C@@H]1O CC(=O)N[C@H]1CO[C@H](CO)[C@@H](O)[C@@H]1O OCC(O)CO
CCCCCC CC/C=C\\CC CCC(=O)OC COC(=O)CC C[N+](C)(C)CCOP(=O)([O-])OC [NH3+]CCOP(=O)([O-])OC CC(=O)OCC(COC(C)=O)OC(C)=O C1CCC2CCCCC2C1
CC#N C#CC CC(C)=O CC=O CO CCO COC C1CCOC1 C1COCCO1 C1COCCN1 C1C[NH2+]CCN1C CN(C)C C[NH+](C)C CNC CC(=O)NC CN(C)C=O NC=O NC(N)=O
Fc1ccccc1 FC(F)(F)c1ccccc1 FC(F)F CCF Clc1ccccc1 ClCCl ClC(Cl)Cl CCCl O=[N+]([O-])c1ccccc1 C[N+](=O)[O-] N#Cc1ccccc1
c1ccsc1 c1ccoc1 c1cc[nH]c1 c1cnco1 c1cncs1 c1ccncc1 c1cc[nH+]cc1 c1cncnc1 c1cn[nH]c1 Cn1cnnn1 c1ccc2[nH]ccc2c1 c1ccc2ncccc2c1 c1ccc2ccccc2c1
CC(=O)Oc1ccccc1C(=O)O CC(=O)Oc1ccccc1C(=O)[O-] CC(C)Cc1ccc(C(C)C(=O)[O-])cc1 CC(=O)Nc1ccc(O)cc1 Cn1cnc2c1c(=O)n(C)c(=O)n2C C[NH+]1CCCC1c1cccnc1
NC(=[NH2+])c1ccccc1 O=C1NC2CSCC2N1 CC(=O)C(=O)[O-] CC(O)C(=O)[O-] [O-]C(=O)CCC(=O)[O-] NCCc1ccc(O)c(O)c1 [NH3+]CCc1c[nH]c2ccc(O)cc12
CC(=O)OCC[N+](C)(C)C [NH3+]CCCC(=O)[O-] CNC(=O)c1ccccc1 O=C1CCCN1 O=C1C=CC(=O)N1 COc1ccccc1 CSc1ccccc1 CNS(C)(=O)=O CP(=O)(OC)OC C1CCNCC1
CC(C)(C)c1ccccc1 Clc1ccc(Cl)cc1 Oc1ccc(Cl)cc1 Nc1ccc(F)cc1 NC(=O)c1cccnc1 C[n+]1cccc(C(N)=O)c1 CC1=C(C)NC=CC1 OC(C(F)(F)F)C(F)(F)F O=S1(=O)CCCC1
""".split()
"""Small molecules and ions."""
LARGEST = 20
"""Number of atoms but hydrogen of recombined molecules."""
LARGEST_CHARGE = 2
"""Of a close pair, e: of more, and in a vacuum, an electron would leave."""


def peptide(sequence: list[str], start: str, end: str) -> str:
    """SMILES of residues between caps or charged ends: ``ac`` or ``+``, and ``nme`` or ``-``."""
    text = "CC(=O)" if start == "ac" else ""
    for number, residue in enumerate(sequence):
        nitrogen = "[NH3+]" if number == 0 and start == "+" else "N"
        if residue == "P":
            ring = "[NH2+]1" if nitrogen != "N" else "N1"
            text += f"{ring}CCC[C@H]1C(=O)"
        else:
            side = RESIDUES[residue]
            text += f"{nitrogen}[C@@H]({side})C(=O)" if side else f"{nitrogen}CC(=O)"
    return text + ("NC" if end == "nme" else "[O-]")


def peptides(count: int, rng: np.random.Generator) -> list[str]:
    """Every residue between caps and with charged ends, then random sequences of two and three."""
    names = list(RESIDUES)
    chosen_ones = [peptide([name], "ac", "nme") for name in names] + [peptide([name], "+", "-") for name in names]
    while len(chosen_ones) < count:
        sequence = [str(name) for name in rng.choice(names, rng.integers(2, 4))]
        start, end = (str(rng.choice(pair)) for pair in (("ac", "+"), ("nme", "-")))
        chosen_ones.append(peptide(sequence, start, end))
    return chosen_ones


def recombined(folder: Path, count: int, rng: np.random.Generator) -> list[str]:
    """New molecules of fragments of SPICE's ligands and monomers and of `MOLECULES`, cut where bonds are usually made."""
    plain = {smiles for smiles in MOLECULES if len(smiles) > 5}
    for name in ("amino-acid-ligand-test", "des-monomers"):
        with h5py.File(folder / f"{name}.hdf5") as file:
            for key in file:
                for part in file[key]["smiles"][0].decode().split("."):
                    molecule = Chem.RemoveHs(Chem.MolFromSmiles(part))
                    for atom in molecule.GetAtoms():
                        atom.SetAtomMapNum(0)
                    plain.add(Chem.MolToSmiles(molecule))
    fragments = sorted(set().union(*(BRICS.BRICSDecompose(Chem.MolFromSmiles(smiles)) for smiles in sorted(plain))))
    found: list[str] = []
    while len(found) < count:
        some = [Chem.MolFromSmiles(fragments[i]) for i in rng.integers(len(fragments), size=3)]
        products = list(islice(BRICS.BRICSBuild(some, scrambleReagents=False, maxDepth=1), 20))
        if not products:
            continue
        molecule = products[rng.integers(len(products))]
        molecule.UpdatePropertyCache()
        Chem.SanitizeMol(molecule)
        smiles = Chem.MolToSmiles(molecule)
        if molecule.GetNumHeavyAtoms() <= LARGEST and smiles not in found:
            found.append(smiles)
    return found


def conformations(smiles: str, count: int, kind: str, seed: int) -> list[ase.Atoms]:
    """Conformations of a molecule, relaxed with MMFF94."""
    plain = Chem.MolFromSmiles(smiles)
    molecule = Chem.AddHs(plain)
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    if molecule_of(Chem.MolToSmiles(molecule)) is None:
        return []
    source = Chem.MolToSmiles(plain, isomericSmiles=False)
    if molecule.GetNumAtoms() == 1:
        return [frame_of(molecule, np.zeros((1, 3)), kind, source)]
    numbers = AllChem.EmbedMultipleConfs(molecule, count, randomSeed=seed)
    if AllChem.MMFFHasAllMoleculeParams(molecule):
        AllChem.MMFFOptimizeMoleculeConfs(molecule, maxIters=100)
    return [frame_of(molecule, molecule.GetConformer(n).GetPositions(), kind, source) for n in numbers]


def turned(frame: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """A copy around the origin in a random orientation."""
    copy = frame.copy()
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))  # a mirror image would be another molecule
    copy.positions = (copy.positions - copy.positions.mean(0)) @ rotation
    return copy


def in_water(frame: ase.Atoms, water: ase.Atoms, count: int, rng: np.random.Generator) -> ase.Atoms:
    """A cluster with the closest waters of a cluster that do not overlap with it."""
    solute = turned(frame, rng)
    centre = water.positions - water.positions.mean(0)
    distances = np.linalg.norm(solute.positions[:, None] - centre[None], axis=2)
    ratios = distances / (vdw_radii[solute.numbers][:, None] + vdw_radii[water.numbers][None])
    members = water.arrays["molecules"]
    nearest = [
        (distances[:, members == m].min(), m) for m in range(members.max() + 1) if ratios[:, members == m].min() > 0.66
    ]
    shell = chosen(water, [m for _, m in sorted(nearest)[:count]])
    shell.positions -= water.positions.mean(0)
    return joined([solute, shell], frame.info["kind"] + "-water", frame.info["source"])


def together(a: ase.Atoms, b: ase.Atoms, target: float, rng: np.random.Generator, kind: str) -> ase.Atoms:
    """Two clusters whose closest contact is at ``target`` of the sum of the van der Waals radii."""
    a, b = turned(a, rng), turned(b, rng)
    a.positions -= a.positions[rng.integers(len(a))]
    b.positions -= b.positions[rng.integers(len(b))]
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    b.positions += 20 * direction
    while closest(a, b, vdw_radii) > target:
        b.positions -= 0.03 * direction
    pair = joined([a, b], kind, f"{a.info['source']} + {b.info['source']}")
    pair.info["part"] = part_of(a.info["source"])
    return pair


def waters(path: Path) -> list[ase.Atoms]:
    """Some clusters of 60 molecules of water."""
    with h5py.File(path) as file:
        group = file["water"]
        molecule = molecule_of(group["smiles"][0].decode())
        return [frame_of(molecule, 10 * r, "water", "water") for r in group["conformations"][::25]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out")
    parser.add_argument("--peptides", type=int, default=180, help="number of sequences (default 180)")
    parser.add_argument(
        "--recombined", type=int, default=300, help="number of new molecules of known fragments (default 300)"
    )
    parser.add_argument("--contacts", type=int, default=700, help="number of close pairs (default 700)")
    parser.add_argument("--seed", type=int, default=2, help="another one gives other sequences and conformations")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    solvent = waters(options.folder / "water60.hdf5")
    pools: dict[str, list[ase.Atoms]] = {"train": [], "validation": [], "test": []}
    frames: list[ase.Atoms] = []
    todo = [(s, "peptide") for s in peptides(options.peptides, rng)]
    todo += [(s, "molecule") for s in MOLECULES + recombined(options.folder, options.recombined, rng)]
    for number, (smiles, kind) in enumerate(todo):
        shapes = conformations(smiles, 3, kind, 1000 * options.seed + number)
        for shape in shapes:
            frames.append(disturbed(shape, rng))
            water = solvent[rng.integers(len(solvent))]
            frames.append(disturbed(in_water(shape, water, int(rng.integers(4, 17)), rng), rng))
            if len(shape) < 40:
                pools[part_of(shape.info["source"])].append(shape)
    contacts = 0
    while contacts < options.contacts:
        name = str(rng.choice(list(pools), p=[0.84, 0.06, 0.1]))
        first, second = (pools[name][i] for i in rng.integers(len(pools[name]), size=2))
        if abs(first.info["total_charge"] + second.info["total_charge"]) > LARGEST_CHARGE:
            continue
        contacts += 1
        target = rng.uniform(0.45, 0.7) if rng.random() < 0.4 else rng.uniform(0.7, 1.3)
        frames.append(disturbed(together(first, second, target, rng, "contact"), rng))
        frames[-1].info["part"] = name
    ase.io.write(options.out, frames)
    print(f"{len(frames)} frames, {sum(map(len, frames))} atoms in {options.out}")


if __name__ == "__main__":
    main()
