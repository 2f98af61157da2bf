"""Mapping files as people see them: the text, the line of each rule, and saving an edited one.

Owns: lines and atomic writing.  Must not: interpret rules (``mapping_file`` does).
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.domain.attributes import TABLE
from broker.intake.mapping_file import MappingError, mapping_files

_RULE_LINE = re.compile(r'\s*"?([A-Za-z]+)"?\s*=')
_EXTENDS = re.compile(r"""\s*extends\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """Where the rule of one attribute is written: mapping, line from 1, and the text of the line."""

    mapping: str
    number: int
    text: str


def mapping_text(name: str, folders: tuple[Path, ...] = ()) -> str:
    """The text of the mapping's own file.  Raises MappingError when there is none."""
    text = mapping_files(folders).text(name)
    if text is None:
        raise MappingError([f"{name}.toml: there is no such mapping"])
    return text


def mapping_names(folders: tuple[Path, ...] = ()) -> list[str]:
    """Every mapping there is, the site's and the shipped ones."""
    found = (path.stem for folder in mapping_files(folders).folders for path in folder.glob("*.toml"))
    return sorted(set(found))


def rule_lines(
    name: str, folders: tuple[Path, ...] = (), edited: Mapping[str, str] | None = None
) -> dict[str, RuleLine]:
    """The line of each attribute's rule that is in force, by keyword, for showing beside what it did."""
    files = mapping_files(folders, edited)
    lines: dict[str, RuleLine] = {}
    seen: set[str] = set()
    while name and name not in seen and (text := files.text(name)) is not None:
        seen.add(name)
        base = ""
        for number, line in enumerate(text.splitlines(), 1):
            rule = _RULE_LINE.match(line)
            if rule is not None and rule[1] in TABLE:
                lines.setdefault(rule[1], RuleLine(name, number, line.strip()))
            base = base or (found[1] if (found := _EXTENDS.match(line)) else "")
        name = base
    return lines


def write_atomically(path: Path, text: str) -> None:
    """Replace a file at once: a reader sees the old text or the new one, after a power cut too.  Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
