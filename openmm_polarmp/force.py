"""`PolarMPForce`: the plugin's force as an `openmm.Force`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import openmm
from numpy.typing import ArrayLike, NDArray
from openmm import unit

from openmm_polarmp import _polarmp, external_field, units
from openmm_polarmp._arguments import constant, number, numbers, whole_number, whole_numbers
from openmm_polarmp._born_charges import forces_per_field, induced_charge_part
from openmm_polarmp._free_charge import require_polarization
from openmm_polarmp._polarization import current_of_charges, current_of_dipoles, torch_charge_transfer
from openmm_polarmp.fixed import FixedMultipoles
from openmm_polarmp.moments import MOMENTS
from openmm_polarmp.step_data import PairFlows, StepData

if TYPE_CHECKING:
    from openmm_polarmp.sources.settings import ModelSettings

_EMPTY = '<Force type="PolarMPForce" version="1" forceGroup="0" name="PolarMPForce"><Particles/><Source kind=""><Properties/></Source></Force>'


class PolarMPForce(openmm.Force):
    """Long-range electrostatics of atomic multipoles with charges and dipoles induced in one shot.

    At each step a source gives every atom's charge, dipole, quadrupole, softness and polarizability (and its short-range
    energy); the force turns them into energy and forces in O(N log N) (in boxes; clusters are summed over all pairs).

    Parameters
    ----------
    model : FixedMultipoles, str, os.PathLike, PolarMPModel, torch.nn.Module or openmmtorch.TorchForce
        Where the moments come from. A string is the path of a `.polarmp` file or the name of a shipped model.
    **options
        ``atomic_numbers`` (of the particles, in their order), ``embed`` (whether XML holds the model instead of its path) and
        those of `openmm_polarmp.sources.options.SourceOptions`, among them ``evaluator``: ``"native"``, the plugin's own
        kernels, or ``"torch"``; without it native where it can. FixedMultipoles takes none, a TorchForce (whose module
        follows the convention of `openmm_polarmp.torchforce`) takes ``num_particles``.

    Notes
    -----
    Lengths are in nm, energies in kJ/mol, charges in e, as everywhere in OpenMM; quantities with units are accepted.
    Arrays that getters return are NumPy arrays in OpenMM's units (e, e nm, e nm^2, kJ/mol/e), in the order of the force's
    particles. Moments going into a source are in the model's units (A, e, eV).

    `setExternalField` sets a uniform external field; it is kept in the context parameters `polarmp_field_x`, `_y`, `_z` (V/nm).
    """

    NoCutoff = 0
    PME = 1
    Direct = 0
    NoPolarization = 1
    Mutual = 2
    BOUNDARIES = ("conducting", "slab_z", "vacuum")
    EMBEDDING_KERNELS = ("smeared", "point")
    FIELD_PARAMETERS = external_field.PARAMETERS

    def __init__(self, model: Any, **options: Any) -> None:
        self.this = openmm.XmlSerializer._deserializeForce(_EMPTY).this
        self._set_source(model, **options).apply(self)

    @classmethod
    def _without_model(cls) -> PolarMPForce:
        force = cls.__new__(cls)
        force.this = openmm.XmlSerializer._deserializeForce(_EMPTY).this
        return force

    # ---- identity ---------------------------------------------------------------------------------------------

    @classmethod
    def cast(cls, force: openmm.Force) -> PolarMPForce:
        """A PolarMPForce that OpenMM returned as a plain Force, for example from `system.getForce(i)`."""
        if not isinstance(force, openmm.Force) or not _polarmp.is_polarmp_force(int(force.this)):
            raise TypeError(f"{type(force).__name__} {force!r} is not a PolarMPForce")
        result = cls.__new__(cls)
        result.this = force.this
        return result

    @staticmethod
    def isinstance(force: openmm.Force) -> bool:
        """Whether a Force is a PolarMPForce, also when OpenMM returned it as a plain Force."""
        return isinstance(force, openmm.Force) and _polarmp.is_polarmp_force(int(force.this))

    @property
    def _address(self) -> int:
        return int(self.this)

    # ---- the source -------------------------------------------------------------------------------------------

    def setModel(self, model: Any, **options: Any) -> None:
        """Set where the moments come from. See the constructor.

        A model brings its sigma, kMax, mutual polarization and, where charges follow from electronegativities, the total charge.
        Those of the model before are given up, unless they were set to something else since; all other settings stay.
        """
        previous = getattr(self.getModel(), "settings", None)
        settings = self._set_source(model, **options)
        if previous is not None:
            previous.remove(self, self._without_model())
        settings.apply(self)

    def _set_source(self, model: Any, **options: Any) -> ModelSettings:
        """Set the source; returns the settings that its model brings."""
        from openmm_polarmp.sources.settings import ModelSettings

        if isinstance(model, FixedMultipoles):
            if options:
                raise TypeError(f"FixedMultipoles takes no options, but got {sorted(options)}")
            values = model.members()
            flat = [values[m.name].ravel().tolist() if m.name in values else [] for m in MOMENTS]
            _polarmp.set_fixed_source(self._address, *flat)
            return ModelSettings()
        from openmm_polarmp.sources.registry import make_source

        described = make_source(model, **options)
        native = isinstance(described.source, _polarmp.NetworkSource)
        set_source = _polarmp.set_network_source if native else _polarmp.set_python_source
        set_source(self._address, described.source, described.kind, described.properties)
        if described.periodic is not None:
            self.setNonbondedMethod(self.PME if described.periodic else self.NoCutoff)
        return described.source.settings

    def getModel(self) -> Any:
        """The source of moments: `FixedMultipoles`, a `NativeSource`, or the object in torch that the force evaluates.

        A source that evaluates a network has it as ``model`` (a `PolarMPModel`); ``evaluator`` is ``"native"`` or ``"torch"``.
        """
        fixed = _polarmp.get_fixed_source(self._address)
        if fixed is None:
            return _polarmp.get_network_source(self._address) or _polarmp.get_python_source(self._address)
        n = len(fixed[0])
        values = zip(MOMENTS, fixed, strict=True)
        return FixedMultipoles(**{m.name: np.reshape(v, (n, *m.shape)) for m, v in values if len(v)})

    # ---- settings ---------------------------------------------------------------------------------------------

    def getParticles(self) -> list[int]:
        """The particles that the source describes; empty means all of the System's."""
        return _polarmp.get_particles(self._address)

    def setParticles(self, particles: Sequence[int]) -> None:
        """Set the particles that the source describes, in its order; empty means all of the System's."""
        _polarmp.set_particles(self._address, whole_numbers("particles", particles))

    def getNonbondedMethod(self) -> int:
        """`PolarMPForce.NoCutoff` (a cluster) or `PolarMPForce.PME` (periodic)."""
        return _polarmp.get_nonbonded_method(self._address)

    def setNonbondedMethod(self, method: Any) -> None:
        """Set whether the particles are a cluster (`NoCutoff`) or fill a periodic box (`PME`).

        Parameters
        ----------
        method : int
            One of the two constants of this class, or that of `openmm.app` with the same name.
        """
        method = constant("method", method, PolarMPForce, ("NoCutoff", "PME"))
        _polarmp.set_nonbonded_method(self._address, method)

    def getPolarizationType(self) -> int:
        """`PolarMPForce.Direct`, `PolarMPForce.NoPolarization` or `PolarMPForce.Mutual`."""
        return _polarmp.get_polarization_type(self._address)

    def setPolarizationType(self, type: int) -> None:
        """Set how softness, polarizability and conductance act.

        `Direct`: charges and dipoles are induced by the permanent moments. `Mutual`: they feel each other, too (theory.md
        section 9). `NoPolarization`: nothing is induced.
        """
        type = constant("type", type, PolarMPForce, ("Direct", "NoPolarization", "Mutual"))
        _polarmp.set_polarization_type(self._address, type)

    def getBoundary(self) -> str:
        """What surrounds a periodic box: 'conducting', 'slab_z' or 'vacuum'."""
        return self.BOUNDARIES[_polarmp.get_boundary(self._address)]

    def setBoundary(self, boundary: str) -> None:
        """Set what surrounds a periodic box (theory.md section 10).

        Parameters
        ----------
        boundary : str
            'conducting' (default); 'slab_z': vacuum above and below a slab that is normal to z, in a box with some vacuum;
            'vacuum': around a large sphere of boxes, which have to be neutral. With the latter two a molecule that is moved by a box
            vector along z, or by any, has another energy: OpenMM does not move atoms by itself.
        """
        if boundary not in self.BOUNDARIES:
            raise ValueError(f"boundary is {boundary!r}; {list(self.BOUNDARIES)} are accepted")
        _polarmp.set_boundary(self._address, self.BOUNDARIES.index(boundary))

    def getMutualInducedTargetEpsilon(self) -> float:
        """Residual of mutual induction over what drives it, where the iteration ends."""
        return _polarmp.get_mutual_induced_target_epsilon(self._address)

    def setMutualInducedTargetEpsilon(self, epsilon: float) -> None:
        """Set where mutual induction ends (default 1e-5).

        The relative error of induced moments and their forces is of this size, that of the energy of its square.
        """
        _polarmp.set_mutual_induced_target_epsilon(self._address, number("mutualInducedTargetEpsilon", epsilon))

    def getMutualInducedMaxIterations(self) -> int:
        """Largest number of iterations of mutual induction."""
        return _polarmp.get_mutual_induced_max_iterations(self._address)

    def setMutualInducedMaxIterations(self, iterations: int) -> None:
        """Set the largest number of iterations of mutual induction (default 60); more are an error."""
        _polarmp.set_mutual_induced_max_iterations(self._address, whole_number("iterations", iterations))

    def getTotalChargeConstraint(self) -> tuple[NDArray[np.float64], list[list[int]]] | None:
        """The given charge of each group in e, and the groups: none if all particles are one. None without a constraint."""
        charges = np.array(_polarmp.get_constrained_charges(self._address), dtype=np.float64)
        return (charges, _polarmp.get_constrained_groups(self._address)) if len(charges) else None

    def setTotalChargeConstraint(self, charge: Any, groups: Sequence[Sequence[int]] | None = None) -> None:
        """Set the total charge, permanent and induced, of all particles or of groups of them (theory section 9).

        What the permanent charges of a group lack is taken up by softness, and induced charges then move within their group
        only. This needs the polarization type `Mutual`.

        Parameters
        ----------
        charge : float, or array_like with one for each group
            e. None removes the constraint.
        groups : sequence of sequences of int, optional
            Particles of the System, all among the force's, none in two groups. Induced charges of particles in no group are free.
            By default all of the force's particles are one group.
        """
        values = numbers("charge", [] if charge is None else charge, unit.elementary_charge)
        if groups is not None and np.ndim(values) != 1:
            raise ValueError(f"charge is {charge}; a sequence with one number for each of the groups is accepted")
        members = [whole_numbers(f"groups[{g}]", group) for g, group in enumerate([] if groups is None else groups)]
        _polarmp.set_total_charge_constraint(self._address, np.ravel(values).tolist(), members)

    def getFermiLevel(self) -> unit.Quantity | None:
        """The given energy of an electron in the reservoir; None if there is no reservoir."""
        if not _polarmp.has_fermi_level(self._address):
            return None
        return _polarmp.get_fermi_level(self._address) * unit.kilojoule_per_mole

    def setFermiLevel(self, level: Any) -> None:
        """Let the softness of all particles exchange charge with a reservoir of electrons (theory section 9).

        The energy is then U + level * (total charge): a higher level makes the particles more negative. This needs the
        polarization type `Mutual` and no given total charge.

        Parameters
        ----------
        level : float or Quantity
            Energy of an electron in the reservoir, kJ/mol or any energy; None removes the reservoir.
        """
        if level is None:
            _polarmp.remove_fermi_level(self._address)
        else:
            _polarmp.set_fermi_level(self._address, _molar_energy("level", level))

    def getFermiLevelsInContext(self, context: openmm.Context) -> NDArray[np.float64]:
        """Energy of an electron in each group with a given charge, [G] in kJ/mol, or the level that is given.

        Minus the derivative of the energy with respect to the group's charge in e. It counts from where the potential of the
        multipoles is zero: in a box that is its mean.
        """
        return self.getStepData(context).fermi_levels

    def getSigma(self) -> unit.Quantity:
        """The width of the pair kernel erf(r / (sqrt(2) sigma)) / r, in nm."""
        return _polarmp.get_sigma(self._address) * unit.nanometer

    def setSigma(self, sigma: Any) -> None:
        """Set the width of the pair kernel (nm). A trained model brings its own."""
        _polarmp.set_sigma(self._address, number("sigma", sigma, unit.nanometer))

    def getEwaldErrorTolerance(self) -> float:
        """The error of the forces, relative to their root mean square, that the mesh may make."""
        return _polarmp.get_ewald_error_tolerance(self._address)

    def setEwaldErrorTolerance(self, tolerance: float) -> None:
        """Set the error of the forces, relative to their root mean square, that the mesh may make (default 5e-4)."""
        _polarmp.set_ewald_error_tolerance(self._address, number("ewaldErrorTolerance", tolerance))

    def getPMEParameters(self) -> tuple[int, int, int]:
        """The number of mesh points that was set; zeros if the error tolerance decides."""
        return _polarmp.get_pme_parameters(self._address)

    def setPMEParameters(self, nx: int, ny: int, nz: int) -> None:
        """Set the number of mesh points per box vector, or three zeros to let the error tolerance decide."""
        points = (whole_number(name, value) for name, value in (("nx", nx), ("ny", ny), ("nz", nz)))
        _polarmp.set_pme_parameters(self._address, *points)

    def getPMEParametersInContext(self, context: openmm.Context) -> tuple[int, int, int]:
        """The number of mesh points that a Context uses; zeros where it uses no mesh."""
        return _polarmp.get_pme_parameters_in_context(self._address, int(context.this))

    def getKMax(self) -> unit.Quantity:
        """The hard cutoff of the reciprocal sum, in 1/nm; 0: none."""
        return _polarmp.get_k_max(self._address) / unit.nanometer

    def setKMax(self, k_max: Any) -> None:
        """Set a hard cutoff of the reciprocal sum (1/nm), for a model that was trained with one. 0: none.

        The energy jumps when the box changes: do not combine it with a barostat.
        """
        _polarmp.set_k_max(self._address, number("k_max", k_max, unit.nanometer**-1))

    def getEpsInf(self) -> float:
        """The high-frequency dielectric constant that scales how an external field acts."""
        return _polarmp.get_eps_inf(self._address)

    def setEpsInf(self, eps_inf: float) -> None:
        """Set the high-frequency dielectric constant that scales how an external field acts (default 1)."""
        _polarmp.set_eps_inf(self._address, number("eps_inf", eps_inf))

    def getEmbeddingCharges(self) -> tuple[list[int], NDArray[np.float64]]:
        """The particles around the model's atoms whose charges act on these, and their charges in e."""
        return (
            _polarmp.get_embedding_particles(self._address),
            np.array(_polarmp.get_embedding_charges(self._address), dtype=np.float64),
        )

    def setEmbeddingCharges(self, particles: Sequence[int], charges: ArrayLike) -> None:
        """Let charges of other particles act on the model's atoms and be acted on (theory section 11).

        Parameters
        ----------
        particles : sequence of int
            Particles of the System that are not among the force's own; virtual sites may be among them.
        charges : array_like
            Their charges in e, one each. What they do to each other is left to other forces, such as a NonbondedForce in
            which the model's atoms have no charge.
        """
        values = numbers("charges", charges, unit.elementary_charge)
        if values.ndim != 1:
            raise ValueError(f"charges has shape {list(values.shape)}; [M] is accepted, one for each of the particles")
        _polarmp.set_embedding_charges(self._address, whole_numbers("particles", particles), values.tolist())

    def getEmbeddingScale(self) -> float:
        """The factor s_emb of the embedding charges."""
        return _polarmp.get_embedding_scale(self._address)

    def setEmbeddingScale(self, scale: float) -> None:
        """Set the factor s_emb of the embedding charges: 1 (the default) for models of molecules and clusters."""
        _polarmp.set_embedding_scale(self._address, number("embedding scale", scale))

    def getEmbeddingKernel(self) -> str:
        """``"smeared"`` or ``"point"``."""
        return self.EMBEDDING_KERNELS[_polarmp.get_embedding_kernel(self._address)]

    def setEmbeddingKernel(self, kernel: str) -> None:
        """Set whether embedding charges are smeared as the multipoles are (``"smeared"``, the default) or ``"point"`` charges."""
        if kernel not in self.EMBEDDING_KERNELS:
            raise ValueError(f"embedding kernel is {kernel!r}; {list(self.EMBEDDING_KERNELS)} are accepted")
        _polarmp.set_embedding_kernel(self._address, self.EMBEDDING_KERNELS.index(kernel))

    def updateParametersInContext(self, context: openmm.Context) -> None:
        """Send a changed model and changed settings to a Context.

        Embedding charges, their scale and kernel are among the settings. Other particles, other particles with embedding charges
        or another nonbonded method than when the Context was created raise an error.
        """
        _polarmp.update_parameters_in_context(self._address, int(context.this))

    # ---- what a Context knows ---------------------------------------------------------------------------------

    def _step(self, context: openmm.Context) -> dict[str, Any]:
        """`getStepData` as plain values in the model's units (A, e, eV)."""
        return _polarmp.get_step_data(self._address, int(context.this))

    def getStepData(self, context: openmm.Context) -> StepData:
        """Energies, moments and moment gradients at the Context's present positions, in one copy."""
        return StepData.from_model_units(self._step(context))

    def getCharges(self, context: openmm.Context) -> NDArray[np.float64]:
        """Permanent charges [N] in e."""
        return self.getStepData(context).charges

    def getInducedCharges(self, context: openmm.Context) -> NDArray[np.float64]:
        """Induced charges [N] in e, with what has flowed between neighbours."""
        return self.getStepData(context).induced_charges

    def getLabFramePermanentDipoles(self, context: openmm.Context) -> NDArray[np.float64]:
        """Permanent dipoles [N,3] in e nm."""
        return self.getStepData(context).dipoles

    def getInducedDipoles(self, context: openmm.Context) -> NDArray[np.float64]:
        """Induced dipoles [N,3] in e nm."""
        return self.getStepData(context).induced_dipoles

    def getTotalDipoles(self, context: openmm.Context) -> NDArray[np.float64]:
        """Permanent plus induced dipoles [N,3] in e nm."""
        step = self.getStepData(context)
        return step.dipoles + step.induced_dipoles

    def getQuadrupoles(self, context: openmm.Context) -> NDArray[np.float64]:
        """Quadrupoles [N,3,3] in e nm^2, symmetric and traceless."""
        return self.getStepData(context).quadrupoles

    def getSoftness(self, context: openmm.Context) -> NDArray[np.float64]:
        """Softness kappa [N] in e^2/(kJ/mol)."""
        return self.getStepData(context).softness

    def getPolarizabilities(self, context: openmm.Context) -> NDArray[np.float64]:
        """Polarizabilities alpha [N,3,3] in e^2 nm^2/(kJ/mol)."""
        return self.getStepData(context).polarizability

    def getPairFlows(self, context: openmm.Context) -> PairFlows:
        """The pairs of neighbours that exchange charge, and what has moved in each (theory section 8)."""
        return PairFlows.from_model_units(_polarmp.get_pair_flows(self._address, int(context.this)))

    def getElectrostaticPotential(self, points: ArrayLike, context: openmm.Context) -> NDArray[np.float64]:
        """Potential of the permanent and induced moments at any points.

        Parameters
        ----------
        points : array_like
            [M,3] in nm.
        context : openmm.Context

        Returns
        -------
        numpy.ndarray
            [M] in kJ/mol/e: what a smeared unit charge of the model would feel there (the pair kernel of theory
            section 2), in the latent scale.
        """
        places = np.ascontiguousarray(numbers("points", points, unit.nanometer))
        if places.ndim != 2 or places.shape[1] != 3:
            raise ValueError(f"points has shape {list(places.shape)}; [M, 3] is accepted")
        return (
            _polarmp.get_electrostatic_potential(self._address, int(context.this), places) * units.POTENTIAL_TO_OPENMM
        )

    def getEmbeddingPotential(self, context: openmm.Context) -> NDArray[np.float64]:
        """Potential of the embedding charges at the force's particles, [N] in kJ/mol/e; zero without charges."""
        return self.getStepData(context).embedding_potential

    def getEmbeddingField(self, context: openmm.Context) -> NDArray[np.float64]:
        """Field of the embedding charges at the force's particles, [N,3] in V/nm; zero without charges."""
        return self.getStepData(context).embedding_field

    def getSystemMultipoleMoments(self, context: openmm.Context) -> NDArray[np.float64]:
        """Charge, dipole and quadrupole of all particles together, permanent and induced.

        Returns
        -------
        numpy.ndarray
            [13]: charge (e), dipole x y z (e nm), quadrupole xx xy xz yx yy yz zx zy zz (e nm^2, traceless), with respect
            to the center of mass. The order is that of AmoebaMultipoleForce, which has debye and debye A, and quadrupoles 3/2 times
            as large: ours are sum q (r r - r^2/3) of charges. In a periodic box only the lowest moment that
            does not vanish is well defined. Charge that neighbours have exchanged enters with their vectors (theory section 8).
        """
        step = self.getStepData(context)
        system, particles = context.getSystem(), self._particles_in(context)
        state = context.getState(positions=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)[particles]
        masses = np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in particles])
        if masses.sum() == 0:
            masses[:] = 1
        return step.multipole_moments(positions - masses @ positions / masses.sum(), self.getPairFlows(context))

    def setExternalField(self, context: openmm.Context, field: Any) -> None:
        """Set the uniform external field of a Context.

        Parameters
        ----------
        context : openmm.Context
            Of the System, or that from `find_force` where the force stands inside of another.
        field : three numbers in V/nm, or a Quantity
            In any unit of a field. `Context.setParameter` would strip a unit in a way of its own.
        """
        external_field.set_external_field(context, field)

    def getMomentGradients(self, context: openmm.Context) -> dict[str, NDArray[np.float64]]:
        """Derivatives of the electrostatic energy with respect to every moment (theory section 4).

        Returns
        -------
        dict
            'charges' [N] kJ/mol/e, 'dipoles' [N,3] kJ/mol/(e nm), 'quadrupoles' [N,3,3] kJ/mol/(e nm^2),
            'softness' [N] (kJ/mol)^2/e^2, 'polarizability' [N,3,3] (kJ/mol)^2/(e^2 nm^2). Zero for softness and
            polarizability where the model has none.
        """
        return self.getStepData(context).gradients

    def getBornEffectiveCharges(self, context: openmm.Context, induced_charges: bool = True) -> NDArray[np.float64]:
        """Born effective charges dP/dr (theory section 6).

        Parameters
        ----------
        context : openmm.Context
        induced_charges : bool
            In a periodic box: whether the part of the induced charges is added. It is long-ranged, and nearest images
            make it right to O(1/L) only. In a cluster it is always there.

        Returns
        -------
        numpy.ndarray
            [N,3,3] in e: row = polarization, column = displacement. Scaled by s = sqrt(eps_e) with the force's epsInf.
        """
        require_polarization(self, "Born charges are")
        _ = self.getStepData(context).field_scale  # raises where there is none
        particles = self._particles_in(context)
        born = forces_per_field(context, particles, self.getForceGroup(), self.FIELD_PARAMETERS)
        if induced_charges and self.usesPeriodicBoundaryConditions():
            if self.getEmbeddingCharges()[0] and self.getStepData(context).softness.any():
                raise ValueError(
                    "the induced charges' part of Born charges in a box is not available with embedding charges; leave it out "
                    "with induced_charges=False"
                )
            born += induced_charge_part(
                context,
                particles,
                self.getModel(),
                self.getStepData(context),
                sigma=self.getSigma().value_in_unit(unit.angstrom),
                accuracy=self.getEwaldErrorTolerance(),
                mutual=self.getPolarizationType() == self.Mutual,
            )
        return born

    def getChargeTransfer(self, context: openmm.Context) -> NDArray[np.float64]:
        """The part of Born charges of permanent charges that change with their surroundings, sum_j (r_j - r_i)_a dq_j/dr_i,b.

        One backward pass of a network that the plugin evaluates itself; several and an evaluation of a larger cluster in torch.

        Returns
        -------
        numpy.ndarray
            [N,3,3] in e, latent: row = polarization, column = displacement.
        """
        transfer = _polarmp.get_charge_transfer(self._address, int(context.this))
        if transfer is not None:
            return transfer
        periodic = self.usesPeriodicBoundaryConditions()
        return torch_charge_transfer(context, self._particles_in(context), self.getModel(), periodic)

    def getPolarizationCurrent(self, context: openmm.Context) -> NDArray[np.float64]:
        """The polarization current dP/dt = sum_i Z_i v_i at the Context's positions and velocities.

        The charges' part comes from `getChargeTransfer`, that of the dipoles from two evaluations along the velocities. In a
        periodic box the induced charges' part is not in it, as in `getBornEffectiveCharges(induced_charges=False)`.

        Returns
        -------
        numpy.ndarray
            [3] in e nm/ps, scaled by s = sqrt(eps_e) with the force's epsInf.
        """
        require_polarization(self, "the polarization current is")
        particles = self._particles_in(context)
        velocities = context.getState(velocities=True).getVelocities(asNumpy=True)._value[particles]
        step = self.getStepData(context)
        scale = step.field_scale  # raises where there is none
        current = current_of_charges(step.local_charges, self.getChargeTransfer(context), velocities)
        current += current_of_dipoles(self, context, particles, velocities)
        return scale * current

    def _particles_in(self, context: openmm.Context) -> list[int]:
        return self.getParticles() or list(range(context.getSystem().getNumParticles()))


def _molar_energy(name: str, value: Any) -> float:
    """An energy in kJ/mol, from a molar one or that of a single particle."""
    if unit.is_quantity(value) and value.unit.is_compatible(unit.kilojoule):
        value = value * unit.AVOGADRO_CONSTANT_NA
    return number(name, value, unit.kilojoule_per_mole)
