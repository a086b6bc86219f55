"""The options of a source of moments, and which of them the plugin's own kernels can follow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openmm import unit

from openmm_polarmp._arguments import number, whole_number, whole_numbers

EVALUATORS = ("native", "torch")
PRECISIONS = ("single", "double")


@dataclass(frozen=True)
class SourceOptions:
    """The options of `PolarMPForce` with a model. XML keeps them as JSON.

    Attributes
    ----------
    atomic_numbers : tuple of int
        Of the force's particles, in their order.
    total_charge : float or Quantity
        e. The charges are shifted to this sum if the model asks for it.
    multiplicity : int
        Spin multiplicity, for a network that sees it.
    precision : str
        ``"single"`` or ``"double"``: of the network.
    interaction_energy : bool
        Leave the energies of the single atoms out.
    evaluator : str or None
        ``"native"``: the plugin's own kernels evaluate the network; ``"torch"``: torch does. None: native where it can.
    device : str or None
        With torch: where the network runs; None: where the platform's memory is.
    compile : bool
        With torch: run the network through torch.compile.
    tensor_products : str
        With torch: ``"dense"`` or ``"cuequivariance"``.
    """

    atomic_numbers: tuple[int, ...]
    total_charge: float = 0.0
    multiplicity: int = 1
    precision: str = "single"
    interaction_energy: bool = False
    evaluator: str | None = None
    device: str | None = None
    compile: bool = False
    tensor_products: str = "dense"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}; 'single' and 'double' are accepted")
        multiplicity = whole_number("multiplicity", self.multiplicity)
        if multiplicity < 1:
            raise ValueError(f"multiplicity is {multiplicity}; 1, of singlets, or more is accepted")
        if self.evaluator is not None and self.evaluator not in EVALUATORS:
            raise ValueError(
                f"evaluator is {self.evaluator!r}; 'native' and 'torch' are accepted, None: native where it can"
            )
        # JSON takes Python's numbers only.
        object.__setattr__(self, "total_charge", number("total_charge", self.total_charge, unit.elementary_charge))
        object.__setattr__(self, "multiplicity", multiplicity)
        object.__setattr__(self, "compile", bool(self.compile))

    @classmethod
    def of(cls, atomic_numbers: Sequence[int], **options: Any) -> SourceOptions:
        """From a user's keywords; None stands for an option's default."""
        unknown = sorted(set(options) - set(NAMES))
        if unknown:
            raise TypeError(f"unknown options {unknown}; accepted are atomic_numbers, embed, {', '.join(NAMES)}")
        options = {name: value for name, value in options.items() if value is not None}
        if "device" in options:
            options["device"] = str(options["device"])
        return cls(tuple(whole_numbers("atomic_numbers", atomic_numbers)), **options)

    @classmethod
    def from_json(cls, text: str) -> SourceOptions:
        """Read what `to_json` wrote, or an older version of it that knew fewer options."""
        # An older version's text may have lost its end (see `to_json`).
        return cls.of(**json.loads(text if text.endswith("}") else text + "}"))

    def to_json(self) -> str:
        """The options that are not their defaults."""
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        kept = {name: value for name, value in dataclasses.asdict(self).items() if value != defaults[name]}
        # The numbers come last: OpenMM's XML reader loses a single character that follows an escaped quotation mark.
        kept["atomic_numbers"] = kept.pop("atomic_numbers")
        return json.dumps(kept)

    def only_in_torch(self) -> list[str]:
        """The options that only torch can follow, as a user writes them."""
        options = [f"device={self.device!r}"] if self.device is not None else []
        options += ["compile=True"] if self.compile else []
        options += [f"tensor_products={self.tensor_products!r}"] if self.tensor_products != "dense" else []
        return options

    def resolved(self, obstacles: Sequence[str] = ()) -> SourceOptions:
        """With the evaluator chosen, if it was left open.

        Parameters
        ----------
        obstacles : sequence of str
            What about the model keeps the plugin's own kernels from evaluating it.

        Raises
        ------
        ValueError
            If the native evaluator was asked for and something prevents it.
        """
        obstacles = [*obstacles, *self.only_in_torch()]
        if self.evaluator == "native" and obstacles:
            raise ValueError(
                f"evaluator is 'native', which cannot be had with {' and '.join(obstacles)}: the plugin's own kernels "
                "evaluate a PolarMPNet and its model files, with the options total_charge, multiplicity, precision and "
                "interaction_energy"
            )
        if self.evaluator is not None:
            return self
        return dataclasses.replace(self, evaluator="torch" if obstacles else "native")


NAMES = tuple(f.name for f in dataclasses.fields(SourceOptions) if f.name != "atomic_numbers")
