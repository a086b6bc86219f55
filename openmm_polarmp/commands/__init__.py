"""The subcommands of ``polarmp``: a module each, with ``add(commands)``. They import what is heavy when they run."""

from . import bench, check, demo, evaluate, info, label, ladder, train

COMMANDS = (check, info, demo, train, evaluate, ladder, label, bench)
