"""The subcommands of ``polarmp``: a module each, with ``add(commands)``. They import what is heavy when they run."""

from openmm_polarmp.commands import (
    bench,
    check,
    demo,
    dielectric,
    eps_inf,
    evaluate,
    export,
    info,
    ir,
    label,
    ladder,
    raman,
    range,
    train,
)

COMMANDS = (check, info, demo, train, evaluate, ladder, label, range, export, eps_inf, ir, raman, dielectric, bench)
