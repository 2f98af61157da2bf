"""What is changed about the items one device is sent: attributes left out, filled from others, cut; times in its zone.

Owns the rules and their effect on a document.  Which items a device gets is not its matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, STEP_LEVEL, Attribute, Attributes, Value, items_of
from broker.domain.fitting import TooLong, unfit
from broker.domain.zones import TIMEZONE, as_offset, start_in


@dataclass(frozen=True, slots=True)
class Treatment:
    """The rules of one device; hashable, because encoded items are kept by it."""

    #: attributes that are never sent, at whatever level they stand
    strip: frozenset[str] = frozenset()
    #: (attribute, the attribute whose value it is sent with), at the root or in the step
    rename: tuple[tuple[str, str], ...] = ()
    #: (attribute, most characters)
    clip: tuple[tuple[str, int], ...] = ()
    too_long: TooLong = TooLong.CUT
    #: the site's zone, and the minutes east of UTC in which the device wants times (negotiated, PS3.4 K.5)
    zone: tuple[tzinfo, int] | None = None

    def apply(self, document: Attributes) -> Attributes:
        """The item as this device is sent it; ``strip`` is left to the writer, which knows what was asked for."""
        if not (self.rename or self.clip or self.zone):
            return document
        root = dict(document)
        step = dict(next(iter(items_of(root.get(SPS_SEQUENCE))), {}))
        sent: list[tuple[str, Value | None]] = [(to, _found(root, step, source)) for to, source in self.rename]
        for keyword, value in sent:
            if value:
                _put(step if keyword in STEP_LEVEL else root, keyword, value)
        for keyword, most in self.clip:
            part = step if keyword in STEP_LEVEL else root
            _put(part, keyword, _clipped(part.get(keyword), most))
        if self.zone is not None:
            step = start_in(step, *self.zone)
            root[TIMEZONE] = as_offset(self.zone[1])
        root[SPS_SEQUENCE] = [step]
        return root


PLAIN = Treatment()


def withheld(document: Attributes, keys: Attributes, treatment: Treatment) -> str:
    """The keyword of the value that keeps the item from a device that asked with ``keys``; empty when none does."""
    sent = treatment.apply(document)
    found = (
        unfit(attribute, part, treatment.too_long, key)
        for attribute, part, key in _asked(sent, keys)
        if attribute.keyword not in treatment.strip
    )
    return next(filter(None, found), "")


def _asked(sent: Attributes, keys: Attributes) -> Iterator[tuple[Attribute, Attributes, Value | None]]:
    """The attributes a request wants back, where they stand, and their keys."""
    for keyword in keys:
        if keyword in ROOT_LEVEL:
            yield ROOT_LEVEL[keyword], sent, keys[keyword]
    if SPS_SEQUENCE in keys:
        step = next(iter(items_of(sent.get(SPS_SEQUENCE))), {})
        asked = next(iter(items_of(keys[SPS_SEQUENCE])), {})
        for keyword, attribute in STEP_LEVEL.items():
            if not asked or keyword in asked:
                yield attribute, step, asked.get(keyword)


def _found(root: Attributes, step: Attributes, keyword: str) -> Value | None:
    return (step if keyword in STEP_LEVEL else root).get(keyword)


def _put(part: dict[str, Value], keyword: str, value: Value | None) -> None:
    if value is None:
        part.pop(keyword, None)
    else:
        part[keyword] = value


def _clipped(value: Value | None, most: int) -> Value | None:
    if isinstance(value, str):
        return "=".join(group[:most].rstrip() for group in value.split("="))
    if value is None or isinstance(value, int):
        return value
    return [text[:most].rstrip() if isinstance(text, str) else text for text in value]
