"""The command ``polarmp``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

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
    from ._version import __version__

    parser.add_argument("--version", action="version", version=f"openmm-polarmp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_check, _add_info, _add_demo):
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("polarmp: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, ImportError) as error:  # a user's mistake: the message says which
        print(f"polarmp {options.command}: {error}", file=sys.stderr)
        return 1


def _command(commands, name: str, help: str, example: str, run: Callable[[argparse.Namespace], int]):
    parser = commands.add_parser(
        name,
        help=help,
        description=help,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _add_check(commands) -> None:
    _command(commands, "check", "Say which platforms of OpenMM the plugin serves here.", "polarmp check", _check)


def _check(options: argparse.Namespace) -> int:
    import openmm

    from . import FixedMultipoles, PolarMPForce
    from ._plugin import platform_status
    from ._version import __version__

    print(f"openmm-polarmp {__version__}, OpenMM {openmm.version.short_version}")
    works = {}
    for status in platform_status():
        reason = status.reason
        if status.loaded:
            system = openmm.System()
            force = PolarMPForce(FixedMultipoles([1.0, -1.0]))
            force.setNonbondedMethod(PolarMPForce.PME)
            system.addForce(force)
            for _ in range(2):
                system.addParticle(1.0)
            # Loaded is not usable: a library without a device loads as well.
            try:
                platform = openmm.Platform.getPlatformByName(status.name)
                context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
                context.setPositions([(0, 0, 0), (0.3, 0, 0)])
                context.getState(energy=True)
            except openmm.OpenMMException as error:
                reason = str(error)
        works[status.name] = not reason
        print(f"  {status.name:10s} {'works' if not reason else 'not here: ' + reason}")
    return 0 if works["Reference"] and works["CPU"] else 1


def _add_info(commands) -> None:
    parser = _command(
        commands, "info", "Describe a model file or a shipped model.", "polarmp info polarmp-water", _info
    )
    parser.add_argument("model", help="path of a .polarmp file, or the name of a shipped model")


def _info(options: argparse.Namespace) -> int:
    from .models import model_info

    print(model_info(options.model))
    return 0


def _add_demo(commands) -> None:
    parser = _command(
        commands, "demo", "Molecular dynamics of water with the shipped model.", "polarmp demo --steps 2000", _demo
    )
    parser.add_argument("--output", default="demo-output", help="folder for the results (default: demo-output)")
    parser.add_argument("--molecules", type=int, default=64, help="number of water molecules (default: 64)")
    parser.add_argument("--steps", type=int, default=1500, help="steps of 0.5 fs (default: 1500)")
    parser.add_argument("--model", default="polarmp-water", help="model file or name (default: polarmp-water)")
    parser.add_argument("--platform", help="OpenMM platform (default: the fastest real device)")


def _demo(options: argparse.Namespace) -> int:
    from .demo import run_demo

    run_demo(options.output, options.molecules, options.steps, options.model, options.platform)
    return 0


if __name__ == "__main__":
    sys.exit(main())
