"""Owns: `python -m broker`, the same as the console script. Must not: hold anything else."""

import sys

from broker.cli import main

sys.exit(main())
