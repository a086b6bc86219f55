"""Declaration of a subcommand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Declare ``--keys``, names of labels."""
    parser.add_argument(
        "--keys", nargs="*", default=[], metavar="LABEL=NAME", help="names of labels in the data, as energy=REF_energy"
    )


def parse_keys(values: Sequence[str]) -> dict[str, str]:
    """The keys of ``--keys``."""
    from openmm_polarmp.training.data.keys import check_keys

    parts = [value.partition("=") for value in values]
    if wrong := [value for value, (_, sign, name) in zip(values, parts, strict=True) if not sign or not name]:
        raise ValueError(f"--keys has {wrong[0]!r}; LABEL=NAME is accepted, as energy=REF_energy")
    keys = {label: name for label, _, name in parts}
    check_keys(keys)
    return keys


def command(
    commands: argparse._SubParsersAction, name: str, help: str, example: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Declare a subcommand.

    Parameters
    ----------
    commands
        The subparsers of ``polarmp``.
    name, help : str
        Its name, and a sentence about it.
    example : str
        A command line, with which its help ends.
    run : callable
        Takes the parsed options and returns the exit code.
    """
    parser = commands.add_parser(
        name,
        help=help,
        description=help,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser
