"""``python -m openmm_polarmp`` is the command ``polarmp``."""

import sys

from .cli import main

sys.exit(main())
