"""Methods of labelling by their names."""

from __future__ import annotations

from pathlib import Path

from openmm_polarmp.training.labelling.protocol import Method

METHODS = ("so3lr", "MODEL.polarmp", "gfn2", "gfn1", "pyscf:FUNCTIONAL/BASIS", "cp2k:TEMPLATE")
GFN = {"gfn2": "GFN2-xTB", "gfn2-xtb": "GFN2-xTB", "gfn1": "GFN1-xTB", "gfn1-xtb": "GFN1-xTB"}


def method_of(name: str, *, accuracy: float | None = None) -> Method:
    """The method of this name.

    Parameters
    ----------
    name : str
        ``so3lr`` or a model file; ``gfn2``, ``gfn1``; ``pyscf:FUNCTIONAL/BASIS``, such as ``pyscf:pbe0-d4/def2-svp``;
        ``cp2k:TEMPLATE``, an input file with places for the structure (see `openmm_polarmp.training.labelling.cp2k`).
    accuracy : float, optional
        Of GFN-xTB only: 1 is tblite's default, smaller is stricter; 0.1 if it is left out.
    """
    kind, _, detail = name.partition(":")
    if accuracy is not None and name.lower() not in GFN:
        raise ValueError(f"accuracy is {accuracy:g} with the method {name!r}; it is accepted with gfn2 and gfn1")
    if name.lower() in GFN:
        from openmm_polarmp.training.labelling.gfn import GFNMethod

        return GFNMethod(GFN[name.lower()], 0.1 if accuracy is None else accuracy)
    if name == "so3lr" or Path(name).suffix == ".polarmp":
        from openmm_polarmp.training.labelling.network import NetworkMethod

        return NetworkMethod(name)
    if kind == "pyscf" and "/" in detail:
        from openmm_polarmp.training.labelling.molecular_dft import PySCFMethod

        functional, _, basis = detail.partition("/")
        return PySCFMethod(functional, basis)
    if kind == "cp2k" and detail:
        from openmm_polarmp.training.labelling.cp2k import CP2KMethod

        return CP2KMethod(Path(detail))
    raise ValueError(f"method is {name!r}; {', '.join(METHODS)} are accepted")
