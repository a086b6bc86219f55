"""The ladder of models (theory.md, section 1): a word for what a network predicts."""

from __future__ import annotations

from dataclasses import dataclass

from openmm_polarmp.moments import MOMENTS

RUNGS = ("sr", "q", "qu", "quQ", "qu+k", "qu+a", "qu+ka", "quQ+ka", "qu+c", "qu+ca", "quQ+ca", "qeq", "qeq+a")
EQUILIBRATED = ("qeq", "qeq+a")
"""Rungs whose charges follow from electronegativities and hardnesses (theory.md section 9)."""


@dataclass(frozen=True)
class Rung:
    """What a model predicts besides the short-range energy.

    Attributes
    ----------
    word : str
        Name of the rung.
    charges, dipoles, quadrupoles : bool
        Permanent moments.
    softness, polarizability : bool
        Response coefficients of the induced charges (k) and induced dipoles (a).
    conductance : bool
        Of pairs of neighbours, between which charge flows (c).
    electronegativity : bool
        All charges are induced: by electronegativities, against hardnesses (qeq).
    """

    word: str
    charges: bool
    dipoles: bool
    quadrupoles: bool
    softness: bool
    polarizability: bool
    conductance: bool = False
    electronegativity: bool = False

    @property
    def moments(self) -> tuple[str, ...]:
        """Names of what is predicted, in the order of `openmm_polarmp.moments`."""
        return tuple(moment.name for moment in MOMENTS if getattr(self, moment.name))

    @classmethod
    def parse(cls, word: str) -> Rung:
        """Read a word such as ``"sr"``, ``"qu"`` or ``"quQ+ka"``; other combinations (``"q+a"``) are accepted too."""
        if word in EQUILIBRATED:
            return cls(word, True, False, False, True, word.endswith("a"), electronegativity=True)
        permanent, plus, induced = str(word).partition("+")
        valid = (
            permanent in ("q", "qu", "quQ") and induced in ("k", "a", "ka", "c", "ca") if plus else permanent in RUNGS
        )
        if not valid:
            raise ValueError(
                f"rung is {word!r}; {', '.join(RUNGS)} are accepted "
                "(q charges, u dipoles, Q quadrupoles, k induced charges, c charges that flow, a induced dipoles, "
                "qeq charges from electronegativities)"
            )
        return cls(
            word=word,
            charges="q" in permanent,
            dipoles="u" in permanent,
            quadrupoles="Q" in permanent,
            softness="k" in induced,
            polarizability="a" in induced,
            conductance="c" in induced,
        )
