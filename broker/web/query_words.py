"""The keys of a worklist query as lines for people, as the device sent them."""

from collections.abc import Iterator, Mapping, Sequence


def key_lines(keys: Mapping[str, object]) -> list[str]:
    """One line per key with a value, and one that names the attributes asked for without any."""
    valued = [f"{name} = {value}" for name, value in _keys(keys, "") if value]
    empty = [name.rpartition(" > ")[2] for name, value in _keys(keys, "") if not value]
    return valued + ([f"also wanted: {', '.join(empty)}"] if empty else [])


def _keys(keys: Mapping[str, object], path: str) -> Iterator[tuple[str, str]]:
    for name, value in keys.items():
        items = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        inner = [item for item in items if isinstance(item, Mapping)]
        if inner:
            for item in inner:
                yield from _keys(item, f"{path}{name} > ")
        else:
            yield path + name, " or ".join(str(item) for item in items if item not in ("", None))
