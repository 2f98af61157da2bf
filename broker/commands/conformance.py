"""``broker conformance``: the tables of the DICOM conformance statement, from the tables the broker works by."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from broker.commands.common import Failure
from broker.dicom.statuses import FindStatus
from broker.dicom.upper_layer.config import SUPPORTED, TRANSFER_SYNTAXES
from broker.domain.attributes import ROOT_LEVEL, STEP_LEVEL, Attribute
from broker.domain.device_settings import CHARSETS, SETTINGS

_SOP_CLASSES = {
    "1.2.840.10008.1.1": "Verification",
    "1.2.840.10008.5.1.4.31": "Modality Worklist Information Model - FIND",
    "1.2.840.10008.3.1.2.3.3": "Modality Performed Procedure Step",
    "1.2.840.10008.3.1.2.3.4": "Modality Performed Procedure Step Retrieve",
    "1.2.840.10008.3.1.2.3.5": "Modality Performed Procedure Step Notification",
    "1.2.840.10008.5.1.4.33": "Instance Availability Notification",
}
_SYNTAXES = {
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
}
_STATUSES = {
    FindStatus.SUCCESS: "the list is complete, also when it is empty or was cut at the limit",
    FindStatus.PENDING: "an item follows; all keys are supported",
    FindStatus.PENDING_KEY_NOT_SUPPORTED: "an item follows; some keys are not supported and were ignored",
    FindStatus.CANCEL: "ended by C-CANCEL",
    FindStatus.IDENTIFIER_UNREADABLE: "the identifier cannot be read",
    FindStatus.KEY_UNREADABLE: "a date or time key cannot be read; the offending element names it",
    FindStatus.OUT_OF_RESOURCES: "the database cannot be reached; repeat later",
    FindStatus.IDENTIFIER_DOES_NOT_MATCH: "no key of the worklist; several items, or a value, as a sequence",
    FindStatus.SOP_CLASS_NOT_SUPPORTED: "a C-FIND of another SOP class",
}


def conformance(
    update: Annotated[Path | None, typer.Option("--update", help="Write the tables into this document.")] = None,
) -> None:
    """Print the tables of the DICOM conformance statement, or bring a document up to date."""
    if update is None:
        for name, text in tables().items():
            typer.echo(f"<!-- {name} -->\n{text}\n")
        return
    try:
        present = update.read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{update}: {error.strerror}") from None
    update.write_text(filled(present), encoding="utf-8")


def filled(document: str) -> str:
    """The document with every table between its marks brought up to date."""
    for name, text in tables().items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise Failure(f"the document has no place for the table {name}: {begin} ... {end}")
        document = f"{before}{begin}\n{text}\n{end}{after}"
    return document


def tables() -> Mapping[str, str]:
    """Every generated table, as Markdown, by name."""
    return {
        "sop-classes": _table(("SOP class", "UID", "role", "operations"), _sop_classes()),
        "transfer-syntaxes": _table(("transfer syntax", "UID"), ((_SYNTAXES[uid], uid) for uid in TRANSFER_SYNTAXES)),
        "statuses": _table(("status", "meaning"), ((f"{s:04X}", _STATUSES.get(s, _words(s))) for s in FindStatus)),
        "keys": _table(("attribute", "tag", "VR", "return type", "matching"), _keys()),
        "charsets": ", ".join(f"`{term}`" for term in sorted(CHARSETS - {""})),
        "device-settings": _table(("setting", "meaning"), ((f"`{s.name}`", s.words) for s in SETTINGS)),
    }


def _table(headings: tuple[str, ...], rows: "Iterator[tuple[str, ...]]") -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _words(status: FindStatus) -> str:
    return status.name.replace("_", " ").lower()


def _sop_classes() -> Iterator[tuple[str, ...]]:
    for sop_class in SUPPORTED:
        operations = sorted(o.name.replace("_", "-") for o in sop_class.operations)
        if sop_class.has_events:
            operations.append("N-EVENT-REPORT (sent)")
        yield _SOP_CLASSES[sop_class.uid], sop_class.uid, "SCP", ", ".join(operations)


def _keys() -> Iterator[tuple[str, ...]]:
    yield from _level(ROOT_LEVEL, 0)
    yield "ScheduledProcedureStepSequence", "(0040,0100)", "SQ", "1", "sequence, required"
    yield from _level(STEP_LEVEL, 1)


def _level(attributes: Mapping[str, Attribute], depth: int) -> Iterator[tuple[str, ...]]:
    for attribute in sorted(attributes.values(), key=lambda a: a.tag):
        tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
        yield "> " * depth + attribute.keyword, tag, attribute.vr, attribute.return_type, _matching(attribute)
        yield from _level(attribute.items, depth + 1)


def _matching(attribute: Attribute) -> str:
    kinds = {"SQ": "sequence", "DA": "value, list, range", "TM": "value, list, range", "UI": "value, list of UID"}
    literal = attribute.keyword in ("ScheduledStationAETitle", "Modality")
    wild = attribute.vr in ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT") and not literal
    kind = kinds.get(attribute.vr, "value, list, wildcard" if wild else "value, list")
    return f"{kind}, required" if attribute.required_key else kind
