"""The import of a MACE model that mace-torch has written, a pickle, into a model file that holds data only."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from openmm_polarmp.hosts.building import plain_modules
from openmm_polarmp.hosts.config import HostedConfig
from openmm_polarmp.hosts.mace import Adapter, gate_dict, interaction_classes, readout_classes
from openmm_polarmp.hosts.network import HostedNet
from openmm_polarmp.models import PolarMPModel
from openmm_polarmp.neighbors import neighbor_pairs

CLASSES = ("MACE", "ScaleShiftMACE")


def import_mace(path: str | Path, licence: str, head: str | None = None, origin: str = "") -> PolarMPModel:
    """A MACE model as a model of rung ``sr``: the energies of MACE, without heads.

    This executes the pickle, which can contain any code: only import files that you trust.

    Parameters
    ----------
    path : str or Path
        What mace-torch has saved (``.model``).
    licence : str
        Licence of its weights.
    head : str, optional
        The head whose energies are meant, of a model with several.
    origin : str
        Where the weights are from; by default the file's name.
    """
    network = read_pickle(path)
    configuration = describe(network)
    heads = configuration["heads"]
    if head is None and len(heads) > 1:
        raise ValueError(f"head is missing; this model has the heads {', '.join(heads)}, of which one is accepted")
    if head is not None and head not in heads:
        raise ValueError(f"head is {head!r}; {', '.join(heads)} are accepted")
    number = configuration["head"] = 0 if head is None else heads.index(head)
    adapter = Adapter(configuration)
    _copy_weights(network, adapter.network)
    single = torch.atleast_2d(network.atomic_energies_fn.atomic_energies)[number].double()
    config = HostedConfig(
        host="mace",
        host_configuration=configuration,
        host_licence=licence,
        host_origin=origin or Path(path).name,
        species=adapter.species,
        cutoff=adapter.cutoff,
        receptive_field=adapter.receptive_field,
        energy_shift=dict(zip(adapter.species, single.tolist(), strict=True)),
    )
    _compare(network, HostedNet(config, adapter), number)
    model = PolarMPModel(HostedNet(config, adapter).to(next(network.parameters()).dtype), licence=licence)
    return model.eval()


def read_pickle(path: str | Path) -> Any:
    """The network in a file of mace-torch's."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"MACE model is {str(path)!r}; an existing file is accepted")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # unpickling can fail in any way
        raise ValueError(f"MACE model {str(path)!r} cannot be read here: {type(error).__name__}: {error}") from error
    name = type(network).__name__
    if name not in CLASSES:
        raise ValueError(f"{str(path)!r} holds a {name}; {' and '.join(CLASSES)} are accepted")
    return network.eval().requires_grad_(False)


def describe(network: Any) -> dict[str, Any]:
    """The configuration of a MACE network.

    Raises
    ------
    ValueError
        For what the adapter does not evaluate.
    """
    if hasattr(network, "embedding_specs") or hasattr(network, "joint_embedding"):
        raise ValueError(
            "this MACE network has inputs besides positions and elements (embedding_specs); none are accepted"
        )
    if getattr(network, "use_so3", False):
        raise ValueError("this MACE network does not distinguish parity (use_so3); only networks that do are accepted")
    cueq = getattr(network.products[0], "cueq_config", None)
    if cueq is not None and cueq.enabled:
        raise ValueError("this MACE network has the weights of cuequivariance; convert it with mace_cueq_to_e3nn first")
    radial, count = network.radial_embedding, len(network.interactions)
    irreps = [str(product.linear.irreps_out) for product in network.products]
    orders = [len(product.symmetric_contractions.contractions[0].weights) + 1 for product in network.products]
    transform = type(getattr(radial, "distance_transform", None)).__name__.removesuffix("Transform")
    readout, heads = network.readouts[-1], list(getattr(network, "heads", None) or ["default"])
    scale = getattr(network, "scale_shift", None)
    values = {
        "r_max": float(network.r_max),
        "num_bessel": int(radial.out_dim),
        "num_polynomial_cutoff": int(radial.cutoff_fn.p),
        "max_ell": int(network.spherical_harmonics._lmax),
        "interaction_cls": _name(network.interactions[-1], interaction_classes),
        "interaction_cls_first": _name(network.interactions[0], interaction_classes),
        "num_interactions": count,
        "hidden_irreps": irreps[0],
        "MLP_irreps": f"{_readout_width(readout) // len(heads)}x0e",
        "avg_num_neighbors": float(network.interactions[0].avg_num_neighbors),
        "atomic_numbers": network.atomic_numbers.tolist(),
        "correlation": orders,
        "gate": _gate(readout),
        "pair_repulsion": hasattr(network, "pair_repulsion_fn"),
        "apply_cutoff": bool(getattr(radial, "apply_cutoff", True)),
        "use_reduced_cg": bool(getattr(network, "use_reduced_cg", False)),
        "use_agnostic_product": bool(getattr(network, "use_agnostic_product", False)),
        "use_last_readout_only": bool(getattr(network, "use_last_readout_only", False)),
        "use_edge_irreps_first": bool(getattr(network, "use_edge_irreps_first", False)),
        "edge_irreps": None if getattr(network, "edge_irreps", None) is None else str(network.edge_irreps),
        "distance_transform": "None" if transform == "NoneType" else transform,
        "radial_type": type(radial.bessel_fn).__name__.removesuffix("Basis").lower().replace("chebychev", "chebyshev"),
        "radial_MLP": _radial_mlp(network.interactions[0].conv_tp_weights),
        "atomic_inter_scale": 1.0 if scale is None else scale.scale.double().tolist(),
        "atomic_inter_shift": 0.0 if scale is None else scale.shift.double().tolist(),
        "readout_cls": _name(readout, readout_classes) if count > 1 else "NonLinearReadoutBlock",
        "heads": heads,
        "keep_last_layer_irreps": count > 1 and irreps[-1] == irreps[0],
    }
    return values


def _name(module: torch.nn.Module, classes: dict[str, Any]) -> str:
    name = type(module).__name__
    if name not in classes:
        raise ValueError(f"this MACE network has a {name}; {', '.join(classes)} are accepted")
    return name


def _readout_width(readout: Any) -> int:
    hidden = getattr(readout, "hidden_irreps", None)
    return 1 if hidden is None else hidden.num_irreps


def _gate(readout: Any) -> str:
    activation = getattr(readout, "non_linearity", None)
    functions = [act for act in getattr(activation, "acts", None) or [] if act is not None]
    if not functions:
        return "None"
    name = getattr(functions[0], "f", functions[0]).__name__
    if name not in gate_dict:
        raise ValueError(f"this MACE network has the activation {name}; {', '.join(gate_dict)} are accepted")
    return name


def _radial_mlp(network: Any) -> list[int]:
    """Widths of the hidden layers of the functions of the distance."""
    return [int(n) for n in network.hs[1:-1]]


def _copy_weights(original: Any, built: Any) -> None:
    """Copy the parameters; the constants must be the same, as the configuration alone determines them."""
    source, target = dict(original.named_parameters()), dict(built.named_parameters())
    if set(source) != set(target) or any(source[name].shape != target[name].shape for name in source):
        different = sorted(set(source) ^ set(target)) or [n for n in source if source[n].shape != target[n].shape]
        raise ValueError(
            f"this MACE network was built by another version of mace-torch: its weights differ in {different[:5]}"
        )
    with torch.no_grad():
        for name, parameter in target.items():
            parameter.copy_(source[name])
    constants = dict(original.named_buffers())
    for name, buffer in built.named_buffers():
        theirs = constants.get(name)
        if theirs is None or name.startswith("atomic_energies_fn") or not buffer.is_floating_point():
            continue
        if theirs.shape != buffer.shape or not torch.allclose(theirs.to(buffer), buffer, rtol=1e-5, atol=1e-5):
            raise ValueError(f"this MACE network has other constants than this version of mace-torch gives it: {name}")


def _compare(original: Any, hosted: HostedNet, head: int) -> None:
    """Raise a ValueError if the energies of some atoms differ from those of the network that was imported."""
    n_atoms = 8
    kind = torch.arange(n_atoms) % len(hosted.species)
    grid = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=torch.float64)
    positions = 0.45 * hosted.cutoff * (grid + 0.1 * torch.sin(torch.arange(24.0, dtype=torch.float64)).view(8, 3))
    index, shifts = neighbor_pairs(positions, hosted.cutoff)
    hosted = hosted.double()
    ours, _ = hosted(positions, torch.tensor(hosted.species)[kind], index, shifts.double(), None)
    dtype = next(original.parameters()).dtype
    data = {
        "positions": positions,
        "node_attrs": torch.eye(len(hosted.species), dtype=torch.float64)[kind],
        "edge_index": index,
        "shifts": shifts.double(),
        "unit_shifts": shifts.double(),
        "cell": torch.zeros(3, 3, dtype=torch.float64),
        "batch": torch.zeros(n_atoms, dtype=torch.long),
        "ptr": torch.tensor([0, n_atoms]),
        "head": torch.tensor([head]),
    }
    with plain_modules():
        theirs = original.double()(data, compute_force=False)["node_energy"].detach()
    original.to(dtype)
    difference = (ours.detach() - theirs).abs().max().item()
    size = 1 + (theirs - hosted.energy_shift[kind]).abs().max().item()
    if not difference < 1e-5 * size:
        raise ValueError(
            f"the energies of the imported MACE network differ by {difference:.2g} eV from the original ones"
        )
