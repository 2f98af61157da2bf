"""Optional packages of kinds of destinations: which kind needs what, and what to say when it is not installed.

Asking never imports a package: a broker without such destinations starts as quickly as before.
"""

from importlib.util import find_spec

#: kind -> the modules it stands on; the kind is the name of the extra (pyproject.toml)
NEEDED = {"amqp": ("amqp",), "nats": ("nats", "nkeys")}


def missing(kind: str) -> str | None:
    """What a kind lacks, with the remedy; None when it has all it needs."""
    absent = [module for module in NEEDED.get(kind, ()) if find_spec(module) is None]
    if not absent:
        return None
    return f'needs {" and ".join(absent)}, not installed here: pip install "worklist-broker[{kind}]", then restart'
