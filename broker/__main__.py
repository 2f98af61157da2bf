"""Owns: `python -m broker`, the same as the console script. Must not: hold anything else."""

import sys

from broker.cli import main

if __name__ == "__main__":  # worker processes import this module too
    sys.exit(main())
