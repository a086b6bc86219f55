"""A capped alanine in water with ions: what users of mixed systems have."""

from __future__ import annotations

import numpy as np
import openmm
from openmm import app, unit

# ACE-ALA-NME, nm: built from ideal bond lengths and angles, hydrogens by OpenMM's Modeller.
ATOMS = """
CH3 ACE 0.3236 0.1049 -0.0411
H1 ACE 0.3547 0.0409 0.0413
H2 ACE 0.3674 0.0696 -0.1342
H3 ACE 0.3559 0.2071 -0.0219
C ACE 0.1730 0.1023 -0.0520
O ACE 0.1083 0.2052 -0.0372
N ALA 0.1169 -0.0153 -0.0788
H ALA 0.1758 -0.0966 -0.0845
CA ALA -0.0279 -0.0356 -0.0793
HA ALA -0.0746 0.0490 -0.1301
C ALA -0.0836 -0.0425 0.0643
O ALA -0.0318 -0.1169 0.1475
CB ALA -0.0600 -0.1626 -0.1592
HB1 ALA -0.1680 -0.1771 -0.1631
HB2 ALA -0.0217 -0.1532 -0.2609
HB3 ALA -0.0143 -0.2492 -0.1110
N NME -0.1914 0.0319 0.0917
H NME -0.2261 0.0929 0.0193
C NME -0.2570 0.0358 0.2223
H1 NME -0.3439 0.1016 0.2191
H2 NME -0.1867 0.0726 0.2973
H3 NME -0.2886 -0.0648 0.2507
"""


def solvated_dipeptide(edge: float = 2.0, ion_pairs: int = 1) -> tuple[app.Topology, np.ndarray]:
    """Topology and positions (nm) of ACE-ALA-NME in a box of TIP3P water with sodium and chloride."""
    topology, positions = app.Topology(), []
    chain, residue = topology.addChain(), None
    for line in ATOMS.strip().splitlines():
        name, kind, *place = line.split()
        if residue is None or residue.name != kind:
            residue = topology.addResidue(kind, chain)
        topology.addAtom(name, app.Element.getBySymbol(name[0]), residue)
        positions.append([float(x) for x in place])
    topology.createStandardBonds()
    modeller = app.Modeller(topology, (np.array(positions) + edge / 2) * unit.nanometer)
    field = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    modeller.addSolvent(field, boxSize=openmm.Vec3(edge, edge, edge) * unit.nanometer)
    waters = [r for r in modeller.topology.residues() if r.name == "HOH"]
    # addIons would minimise on the default platform; the far waters become ions instead
    r = np.array(modeller.positions.value_in_unit(unit.nanometer))
    far = sorted(waters, key=lambda w: -np.linalg.norm(r[next(w.atoms()).index] - edge / 2))[: 2 * ion_pairs]
    modeller.delete(far)
    ions = app.Topology()
    chain = ions.addChain()
    for i in range(len(far)):
        symbol = ("Na", "Cl")[i % 2]
        ions.addAtom(symbol, app.Element.getBySymbol(symbol), ions.addResidue(symbol.upper(), chain))
    modeller.add(ions, r[[next(w.atoms()).index for w in far]] * unit.nanometer)
    return modeller.topology, np.array(modeller.positions.value_in_unit(unit.nanometer))
