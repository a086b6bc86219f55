"""A pickled model of the package so3krates-torch as a model of this one; the only place that needs that package."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import importlib.util
import math
from pathlib import Path
from typing import Any

import torch

from openmm_polarmp.hosts.so3lr.config import SO3LRConfig
from openmm_polarmp.hosts.so3lr.network import SO3LR
from openmm_polarmp.models import ModelFileError, PolarMPModel

PACKAGE = "so3krates-torch"
PIP_LINE = "pip install 'openmm-polarmp[so3lr]' (so3krates-torch 0.2.1, which needs torch 2.6 or newer)"
TRAINING_DATA = "doi 10.5281/zenodo.14779793: forces, dipoles and Hirshfeld ratios, no energies"
SPECIES = (1, 6, 7, 8, 9, 15, 16, 17)
"""The elements in the training data of the pretrained model."""

REPULSION = ("a1", "a2", "a3", "a4", "c1", "c2", "c3", "c4", "p", "d")  # in the order of `Repulsion`

# Settings of the package's model that this network has no alternatives for.
FIXED = {
    "activation_fn_name": "silu",
    "cutoff_fn_name": "phys",
    "dispersion_energy_bool": True,
    "electrostatic_energy_bool": True,
    "energy_activation_fn_name": "silu",
    "final_mlp_layers": 2,
    "initialize_ev_to_zeros": True,
    "interaction_bias": True,
    "layer_normalization_1": True,
    "layer_normalization_2": True,
    "message_normalization": "avg_num_neighbors",
    "qk_non_linearity": "identity",
    "radial_basis_fn": "bernstein",
    "residual_mlp_1": True,
    "residual_mlp_2": False,
    "use_charge_embed": True,
    "use_spin_embed": True,
    "zbl_repulsion_bool": True,
}


def convert(
    path: str | Path | None = None,
    *,
    species: tuple[int, ...] = SPECIES,
    dispersion_cutoff: float = 12.0,
    dispersion_switch: float = 2.0,
    licence: str = "",
) -> PolarMPModel:
    """A model from a pickle of the package's class SO3LR.

    Parameters
    ----------
    path : str or Path, optional
        By default the pretrained model that lies in the package, which is under the MIT licence.
    species : tuple of int
        Atomic numbers that the model keeps.
    dispersion_cutoff, dispersion_switch : float
        A, see `SO3LRConfig`; by default those of the package's calculator of ASE.
    licence : str
        Of the weights of another model than the pretrained one.

    Raises
    ------
    ImportError
        If so3krates-torch is not installed.
    ModelFileError
        If the file is none of its models, or needs code other than its classes and those of torch.nn.
    """
    if importlib.util.find_spec("so3krates_torch") is None:
        raise ImportError(f"converting a model of SO3LR needs {PACKAGE}, not installed here: {PIP_LINE}")
    pretrained = path is None
    accepted = SPECIES if pretrained else tuple(range(1, 101))  # as far as the package's tables of elements go
    if unknown := sorted(set(species) - set(accepted)):
        trained = f"the elements of the training, {', '.join(map(str, SPECIES))}," if pretrained else "1 to 100"
        raise ValueError(f"species has the atomic numbers {unknown}; {trained} are accepted")
    place = _pretrained() if path is None else Path(path)
    host = read_pickle(place)
    config = _configuration(host, tuple(sorted(species)), dispersion_cutoff, dispersion_switch)
    network = SO3LR(config)
    network.load_state_dict(_weights(host, config))
    version = importlib.metadata.version(PACKAGE)
    return PolarMPModel(
        network.eval(),
        sigma=float(host.electrostatic_energy_scale) / math.sqrt(2),
        licence="MIT (so3krates-torch)" if pretrained else licence,
        training_data=TRAINING_DATA if pretrained else "",
        metadata={"host": f"SO3LR, converted from {place.name} with {PACKAGE} {version}"},
    )


def read_pickle(path: Path) -> Any:
    """The package's model in a file, a torch.nn.Module. Only its own classes and those of torch.nn are allowed in it."""
    import so3krates_torch.modules.models

    if not path.is_file():
        raise FileNotFoundError(f"model is {str(path)!r}; an existing file is accepted")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        allowed = [_allowed_class(name, path) for name in names]
        with torch.serialization.safe_globals(allowed):
            host = torch.load(path, map_location="cpu", weights_only=True)
    except ModelFileError:
        raise
    except Exception as error:
        raise ModelFileError(f"{path}: not a model of {PACKAGE} ({error})") from error
    if type(host) is not so3krates_torch.modules.models.SO3LR:
        raise ModelFileError(f"{path}: holds a {type(host).__name__}; a model of the class SO3LR is accepted")
    return host


def _allowed_class(name: str, path: Path) -> Any:
    module, _, attribute = name.rpartition(".")
    value = None
    if module.startswith(("so3krates_torch.", "torch.nn.modules.")):
        value = getattr(importlib.import_module(module), attribute, None)
    if not (isinstance(value, type) and issubclass(value, torch.nn.Module)):
        raise ModelFileError(f"{path}: needs {name}; classes of {PACKAGE} and of torch.nn are accepted")
    return value


def _pretrained() -> Path:
    folder = importlib.resources.files("so3krates_torch") / "pretrained" / "so3lr" / "so3lr.model"
    return Path(str(folder))


def _configuration(
    host: Any, species: tuple[int, ...], dispersion_cutoff: float, dispersion_switch: float
) -> SO3LRConfig:
    for name, expected in FIXED.items():
        value = getattr(host, name)
        if value != expected:
            raise ValueError(f"the model's setting {name} is {value!r}; {expected!r} is accepted")
    return SO3LRConfig(
        species=species,
        network_cutoff=float(host.r_max),
        dispersion_cutoff=dispersion_cutoff,
        dispersion_switch=dispersion_switch,
        dispersion_damping=float(host.dispersion_energy_scale),
        layers=host.num_layers,
        features=host.num_features,
        heads=host.num_heads,
        hidden=host.energy_regression_dim or host.num_features,
        degrees=tuple(host.degrees),
        n_radial=host.num_radial_basis_fn,
        average_neighbors=float(host.avg_num_neighbors),
    )


def _weights(host: Any, config: SO3LRConfig) -> dict[str, torch.Tensor]:
    """The network's state dictionary, from the package's."""
    from so3krates_torch.blocks.physical_potentials import ALPHAS, C6_COEF

    theirs = {name: tensor.detach() for name, tensor in host.state_dict().items()}
    numbers = torch.tensor(config.species)
    rows = numbers - 1  # of tables that begin with hydrogen
    ours = {
        "embedding.weight": theirs["inv_feature_embedding.embedding.weight"].T[rows],
        "radial.log_binomials": theirs["radial_embedding.radial_basis_fn.b"],
        "radial.decay": theirs["radial_embedding.radial_basis_fn.gamma"],
        "energy_shift": theirs["atomic_energy_output_block.energy_shifts"][rows],
        "energy_scale": theirs["atomic_energy_output_block.energy_scales.weight"][0, rows],
        "charge_bias.weight": theirs["partial_charges_output_block.atomic_embedding.weight"][numbers],
        "hirshfeld_query.weight": theirs["hirshfeld_output_block.q_embedding.weight"][numbers],
        "hirshfeld_bias.weight": theirs["hirshfeld_output_block.v_shift_embedding.weight"][numbers],
        "free_polarizability": ALPHAS[rows],
        "free_c6": C6_COEF[rows],
        "repulsion.raw": torch.cat([theirs[f"zbl_repulsion.{name}_raw"] for name in REPULSION]),
    }
    for state in ("charge", "spin"):
        name = f"{state}_embedding"
        ours[f"{name}.query.weight"] = theirs[f"{name}.Wq.weight"].T[rows]
        ours[f"{name}.key"], ours[f"{name}.value"] = theirs[f"{name}.Wk"], theirs[f"{name}.Wv"]
        ours |= {f"{name}.mlp.{i}.weight": theirs[f"{name}.mlp.{i}.weight"] for i in (1, 3)}
    readouts = {
        "energy.0": "atomic_energy_output_block.layers.0",
        "energy.2": "atomic_energy_output_block.final_layer",
        "charge.0": "partial_charges_output_block.transform_inv_features.0",
        "charge.2": "partial_charges_output_block.transform_inv_features.2",
        "hirshfeld_key.0": "hirshfeld_output_block.transform_features.0",
        "hirshfeld_key.2": "hirshfeld_output_block.transform_features.2",
    }
    for name, other in readouts.items():
        ours |= {f"{name}.{kind}": theirs[f"{other}.{kind}"] for kind in ("weight", "bias")}
    for layer in range(config.layers):
        ours |= _layer(theirs, f"layers.{layer}", f"euclidean_transformers.{layer}")
    return {name: tensor.float().contiguous() for name, tensor in ours.items()}


def _layer(theirs: dict[str, torch.Tensor], name: str, other: str) -> dict[str, torch.Tensor]:
    block = f"{other}.euclidean_attention_block"
    scales, matrix = (theirs[f"{block}.so3_conv_invariants.{x}"] for x in ("cg_rep", "segment_sum_matrix"))
    ours = {
        f"{name}.attention.query": theirs[f"{block}.W_q_inv"],
        f"{name}.attention.key": theirs[f"{block}.W_k_inv"],
        f"{name}.value": theirs[f"{block}.W_v_inv"],
        f"{name}.equivariant_attention.query": theirs[f"{block}.W_q_ev"],
        f"{name}.equivariant_attention.key": theirs[f"{block}.W_k_ev"],
        f"{name}.contraction": scales[:, None] * matrix,
    }
    linear = {
        "norm": "layer_norm_inv_1",
        "final_norm": "layer_norm_inv_2",
        "mlp.1": "mlp_1.1",
        "mlp.3": "mlp_1.3",
        "exchange": "interaction_block.linear_layer",
    }
    for mine, its in linear.items():
        ours |= {f"{name}.{mine}.{kind}": theirs[f"{other}.{its}.{kind}"] for kind in ("weight", "bias")}
    for mine, its in (("attention", "filter_net_inv"), ("equivariant_attention", "filter_net_ev")):
        ours |= _filter(theirs, f"{name}.{mine}.filter", f"{other}.{its}")
    return ours


def _filter(theirs: dict[str, torch.Tensor], name: str, other: str) -> dict[str, torch.Tensor]:
    """Two perceptrons whose outputs are added, as one: their last layers stand side by side."""
    ours: dict[str, torch.Tensor] = {}
    for mine, its in (("of_distance", "mlp_rbf"), ("of_norms", "mlp_ev")):
        ours |= {f"{name}.{mine}.{kind}": theirs[f"{other}.{its}.0.{kind}"] for kind in ("weight", "bias")}
    last = [f"{other}.{its}.{its}_layer_1.0" for its in ("mlp_rbf", "mlp_ev")]
    ours[f"{name}.output.weight"] = torch.cat([theirs[f"{x}.weight"] for x in last], dim=1)
    ours[f"{name}.output.bias"] = theirs[f"{last[0]}.bias"] + theirs[f"{last[1]}.bias"]
    return ours
