"""The total charge that a topology's residues suggest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from openmm import app

IONS = {
    **dict.fromkeys(("NA", "K", "LI", "RB", "CS", "AG"), 1),
    **dict.fromkeys(("F", "CL", "BR", "I"), -1),
    **dict.fromkeys(("MG", "CA", "ZN", "SR", "BA", "CD", "MN", "FE2", "NI", "CO"), 2),
}
"""By element, for residues of a single atom; iron is known by its residue's name only."""

BACKBONE = frozenset("ALA ARG ASN ASP CYM CYS GLN GLU GLY HIS ILE LEU LYS MET PHE PRO SER THR TRP TYR VAL".split())
VARIANTS = {
    "ASH": "ASP",
    "GLH": "GLU",
    "LYN": "LYS",
    "CYX": "CYS",
    "HID": "HIS",
    "HIE": "HIS",
    "HIP": "HIS",
}
NEUTRAL = frozenset("HOH WAT SOL TIP3 T3P T4P SPC ACE NME NMA NH2".split())
NUCLEIC = frozenset("A C G U DA DC DG DT".split())


@dataclass(frozen=True)
class ExpectedCharge:
    """The charge of a topology's atoms.

    Attributes
    ----------
    charge : int
        e, of the residues that are known.
    parts : dict
        Number of residues by name and charge, of those that are charged.
    unknown : list of str
        Names of residues about which nothing is known.
    """

    charge: int
    parts: dict[str, int]
    unknown: list[str]

    def __str__(self) -> str:
        return f"{self.charge:+d} e ({', '.join(f'{count} {name}' for name, count in self.parts.items())})"


def expected_charge(topology: app.Topology, atoms: Iterable[int] | None = None) -> ExpectedCharge:
    """The charge that residues' names and hydrogens suggest.

    Parameters
    ----------
    topology : openmm.app.Topology
        With hydrogens: they tell the protonation of side chains and ends.
    atoms : iterable of int, optional
        Residues of which not all atoms are among these count as unknown.
    """
    chosen = None if atoms is None else set(atoms)
    parts: Counter[str] = Counter()
    unknown: set[str] = set()
    charge = 0
    for residue in topology.residues():
        members = [a for a in residue.atoms() if a.element is not None]
        inside = [a for a in members if chosen is None or a.index in chosen]
        if not inside:
            continue
        of_residue = _charge(residue.name.upper(), members) if len(inside) == len(members) else None
        if of_residue is None:
            unknown.add(residue.name)
        elif of_residue:
            parts[f"{residue.name} of {of_residue:+d}"] += 1
            charge += of_residue
    return ExpectedCharge(charge, dict(sorted(parts.items())), sorted(unknown))


def _charge(name: str, atoms: list[app.topology.Atom]) -> int | None:
    """Charge of a residue, None if it is not known."""
    if len(atoms) == 1:
        return IONS.get(name, IONS.get(atoms[0].element.symbol.upper()))
    if name in NEUTRAL:
        return 0
    names = {atom.name for atom in atoms}
    if name in NUCLEIC:
        return -1 if "P" in names else 0
    name = VARIANTS.get(name, name)
    if name not in BACKBONE:
        return None
    return _side_chain(name, names) + _ends(name, names)


def _side_chain(name: str, names: set[str]) -> int:
    if name == "ASP":
        return -1 if not names & {"HD1", "HD2"} else 0
    if name == "GLU":
        return -1 if not names & {"HE1", "HE2"} else 0
    if name == "CYM":  # a cysteine without this hydrogen may have a disulfide bond: only the name tells a thiolate
        return -1 if not names & {"HG", "HG1"} else 0
    if name == "LYS":
        return 1 if {"HZ1", "HZ2", "HZ3"} <= names else 0
    if name == "ARG":
        return 1 if {"HE", "HH11", "HH12", "HH21", "HH22"} <= names else 0
    if name == "HIS":
        return 1 if {"HD1", "HE2"} <= names else 0
    return 0


def _ends(name: str, names: set[str]) -> int:
    """The charged ends of a chain: an amine with a proton more, a carboxylate."""
    hydrogens = len(names & {"H", "H1", "H2", "H3", "HN1", "HN2", "HN3"})
    start = 1 if hydrogens >= (2 if name == "PRO" else 3) else 0
    end = -1 if "OXT" in names and not names & {"HXT", "HO"} else 0
    return start + end
