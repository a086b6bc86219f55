"""The subcommands of ``polarmp``: a module each, whose ``add`` declares it and whose ``run`` does the heavy imports."""

from openmm_polarmp.commands import (
    bench,
    check,
    demo,
    dielectric,
    eps_inf,
    evaluate,
    export,
    import_mace,
    import_so3lr,
    info,
    ir,
    label,
    ladder,
    raman,
    range,
    train,
)

COMMANDS = (
    check,
    info,
    demo,
    train,
    evaluate,
    ladder,
    label,
    range,
    export,
    import_mace,
    import_so3lr,
    eps_inf,
    ir,
    raman,
    dielectric,
    bench,
)
