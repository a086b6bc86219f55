"""``python -m openmm_polarmp`` is the command ``polarmp``."""

import sys

from openmm_polarmp.cli import main

sys.exit(main())
