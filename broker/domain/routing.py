"""Where a message broker files a notification: a routing key or subject, made from a pattern with places to fill.

A pattern such as ``worklist.{event}.{modality}`` gives ``worklist.order.started.CT``.  Consumers choose by the words
between the dots (topic exchanges of AMQP 0-9-1, subjects of NATS), so a filled value never adds a dot or a wildcard.
"""

import re
from collections.abc import Mapping
from typing import Any

from broker.domain.notifications import Notification

#: what a pattern may name: the fact (``order.started``: two words), the modality of the order's steps (``several`` or
#: ``none`` when there is not exactly one), the system that sent the order, and the site
PLACES = ("event", "modality", "sender", "site")
#: bytes of a routing key (AMQP 0-9-1, short string); NATS sets no bound of its own below its line length
LONGEST = 255
_PLACE = re.compile(r"\{([^{}]*)\}")
_TEXT = re.compile(r"[A-Za-z0-9_:/-]+(\.[A-Za-z0-9_:/-]+)*")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def problem(pattern: str) -> str | None:
    """What is wrong with a pattern, or None."""
    unknown = [name for name in _PLACE.findall(pattern) if name not in PLACES]
    if unknown:
        places = ", ".join(f"{{{name}}}" for name in PLACES)
        return f"there is no place {{{unknown[0]}}}; known are {places}"
    if not _TEXT.fullmatch(_PLACE.sub("x", pattern)):
        return "words of letters, digits, _ and -, with single dots between them are expected, such as worklist.{event}"
    return None


def fill(pattern: str, notification: Notification, site: str) -> str:
    """The routing key or subject of one notification.  ``pattern`` has no ``problem``."""
    order = notification.payload["order"]
    values = {
        "event": notification.kind.value,
        "modality": _modality(notification.payload),
        "sender": _word(str(order["sender"])) if isinstance(order, Mapping) else "none",
        "site": _word(site),
    }
    return _PLACE.sub(lambda place: values[place.group(1)], pattern)


def _modality(payload: Mapping[str, Any]) -> str:
    found = {step["modality"] for procedure in payload["procedures"] for step in procedure["steps"]} - {""}
    if len(found) > 1:
        return "several"
    return _word(found.pop()) if found else "none"


def _word(value: str) -> str:
    """One word of an address: bytes of what is not plain are written ``_`` and two hexadecimal digits."""
    return _UNSAFE.sub(lambda found: "".join(f"_{byte:02X}" for byte in found.group().encode()), value) or "none"
