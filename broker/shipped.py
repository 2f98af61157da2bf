"""Owns: where the files that ship with the broker lie (settings, mappings, catalogue). Must not: read them.

In a clone they are the folder config/ beside this package; a wheel carries the same folder as broker/_config.
"""

from pathlib import Path


def config_folder() -> Path:
    """The folder of shipped configuration: broker/_config when installed, config/ in a clone. Never written to."""
    package = Path(__file__).resolve().parent
    installed = package / "_config"
    return installed if installed.is_dir() else package.parent / "config"
