"""The command ``polarmp``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from openmm_polarmp._version import __version__
from openmm_polarmp.commands import COMMANDS

EXAMPLES = """examples:
  polarmp check                     which platforms work here
  polarmp info polarmp-water        what is in a model
  polarmp demo --output demo-output water MD with the shipped model
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrong arguments, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="polarmp",
        description="Molecular dynamics with learned, polarizable electrostatics.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"openmm-polarmp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("polarmp: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, ImportError, FloatingPointError) as error:  # the message tells a user what to change
        print(f"polarmp {options.command}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
