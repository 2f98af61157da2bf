"""The procedure catalogue: what a procedure code means where the order does not say it.

Owns: ``procedures.csv`` and finding its entries.  Must not: map messages.

Columns: procedure_code, scheme, description, modality, protocol_codes, station_ae_titles, station_names, location,
contrast_agent, duration.  ``protocol_codes`` holds
``code^meaning^scheme``; it and the stations may hold several, separated by ``;``.  ``duration`` is the planned length
of the step in minutes.  Several rows with the same code and scheme are the steps of that procedure, told apart by
their protocol codes.  An empty scheme stands for any.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

COLUMNS = (
    "procedure_code", "scheme", "description", "modality", "protocol_codes", "station_ae_titles", "station_names",
    "location", "contrast_agent", "duration",
)  # fmt: skip
#: longest planned length of a step, in minutes
_LONGEST = 24 * 60


class CatalogueError(Exception):
    """The file cannot be used; ``problems`` says why, line by line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ProtocolCode:
    """A protocol in HL7's words."""

    code: str
    meaning: str
    scheme: str


@dataclass(frozen=True, slots=True)
class CatalogueStep:
    """One row: one step of a procedure."""

    description: str = ""
    modality: str = ""
    protocol_codes: tuple[ProtocolCode, ...] = ()
    station_ae_titles: tuple[str, ...] = ()
    station_names: tuple[str, ...] = ()
    location: str = ""
    contrast_agent: str = ""
    #: planned length in minutes; 0 when it is not known
    duration: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Procedures by (code, scheme)."""

    procedures: Mapping[tuple[str, str], tuple[CatalogueStep, ...]] = field(default_factory=dict)

    def find(self, code: str, scheme: str) -> tuple[CatalogueStep, ...]:
        """The steps of a procedure; none when it is not listed."""
        return self.procedures.get((code, scheme.upper())) or self.procedures.get((code, ""), ())


def load_catalogue(path: Path) -> Catalogue:
    """Read the file.  Raises CatalogueError with every problem, each with its line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        header = tuple(rows.fieldnames or ())
        missing = {"procedure_code", "modality"} - set(header)
        unknown = set(header) - set(COLUMNS)
        problems = [f"{path}:1: the column {name} is missing" for name in sorted(missing)]
        problems += [f"{path}:1: unknown column {name}; known are {', '.join(COLUMNS)}" for name in sorted(unknown)]
        if problems:
            raise CatalogueError(problems)
        try:
            return _catalogue(path, rows)
        except csv.Error as error:
            raise CatalogueError([f"{path}:{rows.line_num}: not readable as CSV: {error}"]) from error


def _catalogue(path: Path, rows: "csv.DictReader[str]") -> Catalogue:
    problems: list[str] = []
    found: dict[tuple[str, str], list[CatalogueStep]] = {}
    for row in rows:
        if None in row:
            problems.append(f"{path}:{rows.line_num}: more fields than columns; put text with commas in quotes")
            continue
        values = {name: (value or "").strip() for name, value in row.items()}
        if not any(values.values()):
            continue
        step, wrong = _step(values)
        key = values["procedure_code"], values.get("scheme", "").upper()
        if any(other.protocol_codes == step.protocol_codes for other in found.get(key, ())):
            wrong.append("a second row of the same procedure needs protocol codes of its own")
        problems += [f"{path}:{rows.line_num}: {text}" for text in wrong]
        found.setdefault(key, []).append(step)
    if problems:
        raise CatalogueError(problems)
    return Catalogue({key: tuple(steps) for key, steps in found.items()})


def merged(present: Catalogue, added: Catalogue) -> Catalogue:
    """``present`` with the procedures of ``added``; one that both have is taken from ``added``, with all its steps."""
    return Catalogue({**present.procedures, **added.procedures})


def write_catalogue(catalogue: Catalogue, file: TextIO) -> None:
    """Write every procedure as CSV, in the order of their codes; what is read again from it is the same catalogue."""
    rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for (code, scheme), steps in sorted(catalogue.procedures.items()):
        for step in steps:
            rows.writerow(_row(code, scheme, step))


def _row(code: str, scheme: str, step: CatalogueStep) -> dict[str, str]:
    return {
        "procedure_code": code, "scheme": scheme, "description": step.description, "modality": step.modality,
        "protocol_codes": ";".join(
            "^".join((c.code, c.meaning, c.scheme)).rstrip("^") for c in step.protocol_codes
        ),
        "station_ae_titles": ";".join(step.station_ae_titles), "station_names": ";".join(step.station_names),
        "location": step.location, "contrast_agent": step.contrast_agent,
        "duration": str(step.duration) if step.duration else "",
    }  # fmt: skip


def _step(values: Mapping[str, str]) -> tuple[CatalogueStep, list[str]]:
    wrong = []
    modality = values["modality"].upper()
    if not values["procedure_code"]:
        wrong.append("procedure_code is empty")
    if not modality.isalnum() or len(modality) > 16:
        wrong.append("modality: write a DICOM term such as CT")
    titles = _list(values.get("station_ae_titles", ""))
    wrong += [f"station_ae_titles: {t!r} is longer than 16 characters or holds a backslash" for t in titles
              if len(t) > 16 or "\\" in t]  # fmt: skip
    codes = []
    for text in _list(values.get("protocol_codes", "")):
        parts = [part.strip() for part in text.split("^")]
        if not parts[0] or len(parts) > 3:
            wrong.append(f"protocol_codes: {text!r} is not code^meaning^scheme")
            continue
        codes.append(ProtocolCode(*[*parts, "", ""][:3]))
    duration = values.get("duration", "")
    minutes = int(duration) if duration.isascii() and duration.isdigit() else 0
    if duration and not 0 < minutes <= _LONGEST:
        wrong.append(f"duration: write whole minutes, 1 to {_LONGEST}")
    step = CatalogueStep(
        values.get("description", ""), modality, tuple(codes), titles, _list(values.get("station_names", "")),
        values.get("location", ""), values.get("contrast_agent", ""), minutes,
    )  # fmt: skip
    return step, wrong


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())
