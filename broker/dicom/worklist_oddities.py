"""What is odd about worklist queries and answers, in the words of the device page: keywords and tags, no values."""

import re
from collections.abc import Iterator, Mapping

from broker.dicom.charset import charset as known_charset
from broker.dicom.identifiers import Identifier
from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL, Attribute, Attributes, items_of, texts
from broker.domain.fitting import ItemUnfitError
from broker.services.devices import DeviceLog, WarningKind

#: more digits behind a date; the form with points has two of them
_TIMED = re.compile(r"\d{4}\.?\d\d\.?\d\d\d")


def note_keys(log: DeviceLog, ae_title: str, identifier: Identifier) -> None:
    """Keys that the worklist does not have, and a character set that is not known."""
    if identifier.unsupported:
        tags = ", ".join(map(_named, identifier.unsupported[:10]))
        log.warned(ae_title, WarningKind.KEYS, f"it asks for what the worklist does not have: {tags}")
    if identifier.charset and not known_charset(identifier.charset):
        log.warned(ae_title, WarningKind.CHARSET, "it names a character set that is not known")
    for keyword in _with_a_time(identifier.keys):
        log.warned(ae_title, WarningKind.KEYS, f"it sends a time with the date {keyword}: only the date is compared")


def note_refused(log: DeviceLog, ae_title: str, status: int, text: str, tag: int | None) -> None:
    """A query that is not answered."""
    where = f" {_named(tag)}" if tag is not None else ""
    log.warned(ae_title, WarningKind.REFUSED, f"its query was refused with {status:04X}{where}: {text}")


def note_withheld(log: DeviceLog, ae_title: str, step_key: int, error: ItemUnfitError) -> None:
    """An item that cannot be sent."""
    log.warned(ae_title, WarningKind.WITHHELD, f"step {step_key} was withheld: {error}")


def note_cut(log: DeviceLog, ae_title: str, limit: int) -> None:
    """A list that was longer than the device is given."""
    log.warned(ae_title, WarningKind.CUT, f"its list was cut at {limit} items")


def _named(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _with_a_time(keys: Attributes) -> Iterator[str]:
    """Date keys that hold more than dates."""
    step = next(iter(items_of(keys.get(SPS_SEQUENCE))), {})
    levels: tuple[tuple[Attributes, Mapping[str, Attribute]], ...] = ((keys, ROOT_LEVEL), (step, STEP_LEVEL))
    for level, table in levels:
        for keyword in level:
            attribute = table.get(keyword)
            if attribute is not None and attribute.vr == "DA" and any(map(_TIMED.search, texts(level[keyword]))):
                yield keyword
