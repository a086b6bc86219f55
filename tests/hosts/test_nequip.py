"""NequIP and Allegro as hosts, against the calculator of the NequIP framework."""

import pytest
from support.hosts import hosted, require
from support.processes import run_python

# In a process of its own: the framework's builders change torch's default precision and seed its random numbers.
CODE = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import ase, numpy as np, torch
    from support.torch_sources import CELL, make_atoms
    from openmm_polarmp.hosts import HostedConfig, HostedNet
    from openmm_polarmp.hosts.registry import host_module
    from openmm_polarmp.models import PolarMPModel
    from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
    from nequip.integrations.ase import NequIPCalculator
    from nequip.utils.global_state import set_global_state

    name, parity = sys.argv[1], sys.argv[2] == "parity"
    module = host_module(name)
    shift = {"H": -13.5, "O": -2042.0}
    common = dict(seed=1, model_dtype="float64", r_max=4.0, type_names=["H", "O"], parity=parity, l_max=2,
                  avg_num_neighbors=7.5, per_type_energy_scales=0.7, per_type_energy_shifts=shift)
    set_global_state()
    if name == "nequip":
        from nequip.model import NequIPGNNModel
        whole = NequIPGNNModel(num_layers=3, num_features=6, radial_mlp_depth=1, radial_mlp_width=8, **common)
        settings = module.Settings(channels=6, l_max=2, layers=3, parity=parity, radial_mlp_width=8)
    else:
        from allegro.model import AllegroModel
        radial = {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed"}
        whole = AllegroModel(radial_chemical_embed=radial, num_layers=2, num_scalar_features=6, num_tensor_features=4,
            scalar_embed_mlp_hidden_layers_width=8, allegro_mlp_hidden_layers_width=8,
            readout_mlp_hidden_layers_width=6, **common)
        settings = module.Settings(channels=6, tensor_channels=4, l_max=2, layers=2, parity=parity, mlp_width=8)
    calculator = NequIPCalculator(whole.eval(), "cpu", transforms=[
        ChemicalSpeciesToAtomTypeMapper(model_type_names=["H", "O"]), NeighborListTransform(r_max=4.0)])
    configuration = settings.configuration([1, 8], 4.0, 7.5, 0.7, 2)
    adapter = module.Adapter(configuration)
    missing, _ = adapter.network.load_state_dict(whole.model.func.state_dict(), strict=False)
    assert not missing, missing
    config = HostedConfig(host=name, host_configuration=configuration, species=(1, 8), cutoff=4.0,
        receptive_field=adapter.receptive_field, energy_shift={1: shift["H"], 8: shift["O"]})
    model = PolarMPModel(HostedNet(config, adapter).double())
    positions, species = make_atoms(12, CELL)
    for cell in (None, CELL):
        box = {} if cell is None else {"cell": cell.numpy(), "pbc": True}
        atoms = ase.Atoms(species.numpy(), positions.numpy(), calculator=calculator, **box)
        moving = positions.clone().requires_grad_()
        energy = model.energy(moving, species, cell)
        forces = -torch.autograd.grad(energy, moving)[0]
        print(atoms.get_potential_energy() - energy.item(), np.abs(atoms.get_forces() - forces.numpy()).max())
"""


@pytest.mark.parametrize("name, parity", [("nequip", "parity"), ("allegro", "natural")])
def test_the_energies_of_the_frameworks_own_calculator(name, parity):
    require(name)
    process = run_python(CODE, name, parity, options=("-W", "ignore"))
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()[-2:]
    assert len(lines) == 2
    for line in lines:
        energy, force = map(float, line.split())
        assert abs(energy) < 1e-6 and force < 1e-6


def test_allegro_is_strictly_local_and_nequip_is_not():
    assert hosted("allegro", "q").receptive_field == hosted("allegro", "q").cutoff
    assert hosted("nequip", "q", settings={"layers": 3}).receptive_field == 3 * hosted("nequip", "q").cutoff


def test_a_single_convolution_has_no_vectors():
    with pytest.raises(ValueError, match="reads vectors; the host 'nequip' has 6 scalars, 0 vectors, 0 tensors"):
        hosted("nequip", "qu", settings={"layers": 1})
    hosted("nequip", "q+k", settings={"layers": 1})


def test_a_file_cannot_name_code():
    """NequIP's builders make whatever class a configuration names: here it cannot."""
    for name in ("nequip", "allegro"):
        module = require(name)
        configuration = module.Settings().configuration([1, 8], 4.0, 10.0, 1.0, 2)
        configuration["pair_potential"] = {"_target_": "os.getcwd"}
        with pytest.raises(ValueError, match="unknown entries \\['pair_potential'\\]"):
            module.Adapter(configuration)


def test_settings_that_make_no_network():
    for name, settings in (
        ("nequip", {"radial_mlp_depth": -1}),
        ("nequip", {"num_bessels": 0}),
        ("allegro", {"mlp_depth": -1}),
    ):
        with pytest.raises(ValueError, match=r"is (-1|0); integers from (0|1) are accepted"):
            require(name).Settings(**settings)
