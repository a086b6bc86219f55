"""The shipped model for some elements, where the user names none."""

from __future__ import annotations

import warnings
from collections.abc import Collection

from openmm_polarmp.models.description import ModelDescription
from openmm_polarmp.models.elements import SYMBOLS
from openmm_polarmp.models.file import ModelFile, load, shipped_models

DEMONSTRATIONS = ("polarmp-demo-bio",)
"""Shipped models that are not to be believed."""


def shipped_model_for(elements: Collection[int]) -> ModelFile:
    """The shipped model that covers these elements and the fewest others, among those that need no torch.

    A demonstration is taken only where no other model knows the elements, with a warning; models of other projects, which need
    torch, only by their names.

    Parameters
    ----------
    elements : collection of int
        Atomic numbers.

    Raises
    ------
    ValueError
        If no such model covers them.
    """
    files = {name: load(name) for name in shipped_models()}
    models = {name: ModelDescription.of(contents).config for name, contents in files.items()}
    fitting = [name for name, model in models.items() if set(elements) <= set(model.species)]
    chosen = [name for name in fitting if not models[name].native_obstacles]
    if not chosen:
        wanted = _symbols(sorted(set(elements)))
        if fitting:
            raise ValueError(
                f"modelPath is not given; for the elements {wanted} a shipped model is accepted only by its name: "
                f"{' or '.join(f'modelPath={name!r}' for name in fitting)}"
            )
        listed = [f"{name} ({_symbols(model.species)})" for name, model in sorted(models.items())]
        raise ValueError(
            f"no shipped model covers the elements {wanted}; shipped are: {'; '.join(listed) or 'none'}. Give modelPath."
        )
    best = min(sorted(chosen), key=lambda name: (name in DEMONSTRATIONS, len(models[name].species)))
    if best in DEMONSTRATIONS:
        warnings.warn(
            f"modelPath is not given; of the shipped models only {best} knows all elements, a demonstration whose results are "
            "not to be believed",
            stacklevel=4,
        )
    return files[best]


def _symbols(elements: Collection[int]) -> str:
    return ", ".join(SYMBOLS[z] for z in elements)
