"""What a template of an outgoing message says: segments in their order, and where each field's value comes from.

Owns the terms of a template and how a field is evaluated.  Reading template files is in ``hl7_template_file``, the
message as a whole in ``hl7_message``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from broker.delivery.hl7_values import CONVERSIONS, OF_NOTHING, Style
from broker.delivery.order_status import STATUS_CODES, StatusCodes
from broker.domain.model import FactKind
from hl7.build import ComponentValue, FieldValue

Scope = Mapping[str, Any]


class Each(StrEnum):
    """How often a group of segments is written; those of procedures and steps stand together per procedure."""

    MESSAGE = "message"
    PROCEDURE = "procedure"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Literal:
    """The same text in every message, by component."""

    components: tuple[str, ...]

    def value(self, scope: Scope, style: Style) -> FieldValue:
        """The text."""
        return self.components[0] if len(self.components) == 1 else self.components


@dataclass(frozen=True, slots=True)
class Source:
    """The first of ``paths`` that has a value, converted; else ``default``."""

    paths: tuple[str, ...]
    conversion: str = "text"
    default: str = ""

    def value(self, scope: Scope, style: Style) -> FieldValue:
        """The field."""
        found = next((v for path in self.paths if (v := look_up(scope, path)) not in (None, "", [], ())), None)
        if found is None and not (self.conversion in OF_NOTHING and not self.default):
            return self.default or None
        return CONVERSIONS[self.conversion]("" if found is None else found, style)


@dataclass(frozen=True, slots=True)
class Components:
    """A field composed of single values."""

    parts: tuple[Literal | Source, ...]

    def value(self, scope: Scope, style: Style) -> FieldValue:
        """The components; nothing when all are empty."""
        values: list[ComponentValue] = []
        for part in self.parts:
            value = part.value(scope, style)
            values.append(value if isinstance(value, str | int) else None)
        return tuple(values) if any(v not in (None, "") for v in values) else None


Spec = Literal | Source | Components


@dataclass(frozen=True, slots=True)
class SegmentTemplate:
    """One segment; left out when ``when`` is a path without a value.  ``label`` is its name, and what tells it apart
    from others of that name (``OBX_study``)."""

    label: str
    fields: Mapping[int, Spec]
    when: str = ""

    @property
    def name(self) -> str:
        """The segment's name."""
        return self.label[:3]


@dataclass(frozen=True, slots=True)
class Group:
    """Segments that are written together."""

    each: Each
    segments: tuple[SegmentTemplate, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A whole message."""

    name: str
    message_type: str
    trigger: str
    version: str
    groups: tuple[Group, ...]
    codes: Mapping[FactKind, StatusCodes] = field(default_factory=lambda: STATUS_CODES)


def look_up(scope: Scope, path: str) -> Any:
    """The value at a dotted path; None where the path ends early."""
    value: Any = scope
    for part in _parts(path):
        # dict first: asking an abstract class takes several times as long
        if not isinstance(value, (dict, Mapping)):
            return None
        value = value.get(part)
    return value


@lru_cache(2048)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))
