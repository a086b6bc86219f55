"""The text that `polarmp info` prints."""

from __future__ import annotations

from pathlib import Path

from openmm_polarmp.models import file

SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr "
    "Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W "
    "Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt "
    "Ds Rg Cn Nh Fl Mc Lv Ts Og"
).split()


def model_info(path_or_name: str | Path) -> str:
    """A description of a model file, verified against its checksum; needs no torch."""
    path = file.find(path_or_name)
    contents = file.read(path)
    settings, checksum = contents.configuration, contents.sha256
    network, electrostatics = settings["network"], settings["electrostatics"]
    k_max = electrostatics["k_max"]
    lines = [
        ("file", path.name),
        ("sha256", checksum),
        ("elements", ", ".join(SYMBOLS[z] for z in network["species"])),
        ("rung", network["rung"]),
        (
            "network",
            f"{settings['architecture']}, {network['layers']} layers, cutoff {network['cutoff']} A, "
            f"l_max {network['l_max']}, {network['channels']} channels",
        ),
        ("range of an atom", f"{network['layers'] * network['cutoff']} A"),
        (
            "electrostatics",
            f"sigma {electrostatics['sigma']} A, accuracy {electrostatics['accuracy']:g}, "
            + ("converged in k" if k_max is None else f"k_max {k_max} /A")
            + (", total charge imposed" if electrostatics["charge_projection"] else ", total charge free"),
        ),
        ("inputs", ", ".join(_inputs(network))),
        ("repulsion", "ZBL" if network["zbl"] else "none"),
        ("units", ", ".join(f"{what} {unit}" for what, unit in settings["units"].items())),
        ("training data", settings["training_data"] or "not stated"),
        ("licence", settings["licence"] or "not stated"),
    ]
    training_range = settings["training_range"]
    for pair, distance in training_range["smallest_distances"].items():
        a, b = (SYMBOLS[int(z)] for z in pair.split("-"))
        lines.append((f"shortest {a}-{b}", f"{distance:.3f} A"))
    if training_range["largest_force"] is not None:
        lines.append(("largest force", f"{training_range['largest_force']:.2f} eV/A"))
    lines += [(key, str(value)) for key, value in sorted(settings["metadata"].items())]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _inputs(network: dict) -> list[str]:
    inputs = ["positions", "elements"]
    inputs += ["total charge"] if network["total_charge_input"] else []
    return inputs + (["multiplicity"] if network["multiplicity_input"] else [])
