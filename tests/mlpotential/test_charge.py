"""The total charge: from residues, from a force field, and warned of where it is forgotten."""

import warnings

import pytest
from openmm import app, unit
from openmmml import MLPotential
from support.models import tiny_model
from support.peptide import solvated_dipeptide
from support.platforms import REFERENCE
from support.systems import force_in

from openmm_polarmp.embedding.find import find_force
from openmm_polarmp.topology_charge import expected_charge

SIDE_CHAINS = {
    ("ASP", ()): -1,
    ("ASP", ("HD2",)): 0,
    ("GLU", ()): -1,
    ("GLH", ("HE2",)): 0,
    ("CYM", ("CB", "SG")): -1,
    ("CYX", ("CB", "SG")): 0,
    ("CYS", ("CB", "SG", "HG")): 0,
    ("LYS", ("HZ1", "HZ2", "HZ3")): 1,
    ("LYN", ("HZ2", "HZ3")): 0,
    ("ARG", ("HE", "HH11", "HH12", "HH21", "HH22")): 1,
    ("HIS", ("HE2",)): 0,
    ("HIP", ("HD1", "HE2")): 1,
    ("ALA", ("H1", "H2", "H3")): 1,
    ("ALA", ("H1", "H2")): 0,
    ("PRO", ("H2", "H3")): 1,
    ("GLY", ("OXT",)): -1,
    ("GLY", ("OXT", "HXT")): 0,
    ("DA", ("P", "OP1")): -1,
    ("DA", ("C1'",)): 0,
}


def topology_of(*residues):
    """Residues of named atoms; the first letter is the element, as for ions the whole name."""
    topology = app.Topology()
    chain = topology.addChain()
    for name, atoms in residues:
        residue = topology.addResidue(name, chain)
        for atom in atoms:
            symbol = atom.capitalize() if len(atoms) == 1 else atom[0]
            topology.addAtom(atom, app.Element.getBySymbol(symbol), residue)
    return topology


WATER = ("HOH", ("O", "H1", "H2"))


@pytest.mark.parametrize(("name", "atoms", "charge"), [(*key, value) for key, value in SIDE_CHAINS.items()])
def test_protonation_is_seen(name, atoms, charge):
    found = expected_charge(topology_of((name, ("N", "CA", *atoms)), WATER))
    assert found.charge == charge and found.unknown == []


def test_ions_and_unknown_residues():
    found = expected_charge(topology_of(("NA", ("NA",)), ("Cl-", ("CL",)), ("MG", ("MG",)), WATER))
    assert found.charge == 2 and str(found) == "+2 e (1 Cl- of -1, 1 MG of +2, 1 NA of +1)"
    assert expected_charge(topology_of(("LIG", ("C1", "O1")), ("NA", ("NA",)))).unknown == ["LIG"]
    topology = topology_of(("LYS", ("N", "CA", "HZ1", "HZ2", "HZ3")), ("NA", ("NA",)))
    assert expected_charge(topology, [5]).charge == 1
    assert expected_charge(topology, [0, 1, 5]).unknown == ["LYS"]  # a part of a residue


def charge_of(topology, **keywords):
    """The total charge of the force of a System."""
    model = tiny_model((1, 8, 11, 17), "qu")
    system = MLPotential("polarmp", modelPath=model).createSystem(topology, **keywords)
    return force_in(system).getModel().options.total_charge


def test_a_charge_with_its_unit():
    salt = topology_of(("NA", ("NA",)), WATER)
    assert charge_of(salt, charge=1 * unit.elementary_charge) == 1.0


@pytest.mark.parametrize(
    ("charge", "message"),
    [
        ("automatic", "charge is 'automatic'; a number of e or 'auto' is accepted"),
        (1 * unit.nanometer, "charge is 1 nm; a finite number of e or a quantity of this dimension is accepted"),
        ([1, 0], r"charge is \[1, 0\]; a finite number of e"),
        (float("nan"), "charge is nan; a finite number of e"),
    ],
)
def test_what_is_no_charge(charge, message):
    with pytest.raises(ValueError, match=message):
        charge_of(topology_of(WATER), charge=charge)


def test_a_forgotten_charge_is_warned_of():
    salt = topology_of(("NA", ("NA",)), WATER)
    message = r"charge is 0, but the residues suggest \+1 e \(1 NA of \+1\); charge=1 or charge='auto' sets it"
    with pytest.warns(UserWarning, match=message):
        assert charge_of(salt) == 0
    with pytest.warns(UserWarning, match="charge is -1, but"):
        charge_of(salt, charge=-1)
    with pytest.warns(UserWarning, match="the residues suggest 0 e"):
        charge_of(topology_of(WATER), charge=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert charge_of(salt, charge=1) == 1
        assert charge_of(salt, charge="auto") == 1
        assert charge_of(topology_of(WATER)) == 0
        assert charge_of(topology_of(("LIG", ("O1", "H1")))) == 0  # of an unknown residue nothing is expected
    with pytest.raises(ValueError, match="the charge of the residues LIG is not known; a number is accepted"):
        charge_of(topology_of(("LIG", ("O1", "H1"))), charge="auto")


@pytest.mark.parametrize("interpolate", [False, True])
def test_the_force_field_of_a_mixed_system_knows(interpolate):
    topology, _ = solvated_dipeptide(edge=1.4, ion_pairs=1)
    forcefield = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    mm = forcefield.createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=0.6 * unit.nanometer)
    ions = [a.index for a in topology.atoms() if a.residue.name == "NA"]
    for residue in topology.residues():
        residue.name = "XYZ"  # names do not help
    model = tiny_model((1, 6, 7, 8, 11, 17), "qu")
    potential = MLPotential("polarmp", modelPath=model)
    options = {"charge": "auto", "interpolate": interpolate}
    context = REFERENCE.context(potential.createMixedSystem(topology, mm, ions, **options))
    force, _ = find_force(context)
    assert force.getModel().options.total_charge == 1
    with pytest.warns(UserWarning, match="gives the model's atoms a charge of 1 e, but charge=0") as found:
        potential.createMixedSystem(topology, mm, ions, interpolate=interpolate)
    assert len(found) == 1


def test_a_misspelled_keyword():
    potential = MLPotential("polarmp", modelPath=tiny_model())
    with pytest.raises(TypeError, match=r"unknown keywords \['Precision'\] \(is 'precision' meant\?\)"):
        potential.createSystem(topology_of(WATER), Precision="double")
    with pytest.raises(TypeError, match="is 'multiplicity' meant"):
        potential.createSystem(topology_of(WATER), spinMultiplicity=1)
