"""Declaration of a subcommand."""

from __future__ import annotations

import argparse
from collections.abc import Callable


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
