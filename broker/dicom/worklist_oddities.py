"""What is odd about worklist queries and answers, in the words of the device page: keywords and tags, no values."""

from broker.dicom.charset import charset as known_charset
from broker.dicom.identifiers import Identifier
from broker.domain.fitting import ItemUnfitError
from broker.services.devices import DeviceLog, WarningKind


def note_keys(log: DeviceLog, ae_title: str, identifier: Identifier) -> None:
    """Keys that the worklist does not have, and a character set that is not known."""
    if identifier.unsupported:
        tags = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in identifier.unsupported[:10])
        log.warned(ae_title, WarningKind.KEYS, f"it asks for what the worklist does not have: {tags}")
    if identifier.charset and not known_charset(identifier.charset):
        log.warned(ae_title, WarningKind.CHARSET, "it names a character set that is not known")


def note_withheld(log: DeviceLog, ae_title: str, step_key: int, error: ItemUnfitError) -> None:
    """An item that cannot be sent."""
    log.warned(ae_title, WarningKind.WITHHELD, f"step {step_key} was withheld: {error}")


def note_cut(log: DeviceLog, ae_title: str, limit: int) -> None:
    """A list that was longer than the device is given."""
    log.warned(ae_title, WarningKind.CUT, f"its list was cut at {limit} items")
