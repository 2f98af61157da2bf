"""Values as their value representation allows them in an answer, and what cannot be sent at all.

The encoder writes with it; the explainer tells with it why an item was withheld.
"""

import re
from enum import StrEnum

from broker.domain.attributes import VR_LIMITS, Attribute, Attributes, Value, items_of, texts

#: texts of one value in which line ends are allowed and a backslash is a character
_PARAGRAPHS = frozenset({"LT", "ST", "UT"})
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\\]")
_CONTROLS_OF_PARAGRAPHS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
#: what must come back whole or not at all: a number cut short is another number
_NUMBERS = frozenset(
    {
        "AccessionNumber", "PatientID", "AdmissionID",
        "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "CodeValue",
        "ServiceEpisodeID", "CodingSchemeDesignator", "ContainerIdentifier", "SpecimenIdentifier",
    }
)  # fmt: skip
#: what devices only echo and compare: sent whole even when too long, as intake accepted it (architecture, decision 3)
_ECHOED = frozenset(
    {
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
        "ScheduledStationAETitle",
        "ScheduledStationName",
        "ScheduledProcedureStepLocation",
    }
)
_WHOLE_VRS = frozenset({"AE", "AS", "CS", "DA", "DS", "IS", "TM", "UI"})
_MOST_OF_US = 65_535


class TooLong(StrEnum):
    """What becomes of a value that is longer than its VR allows."""

    #: texts are cut; an item whose numbers or codes are too long is withheld; what devices only echo is sent whole
    CUT = "cut"
    #: sent as it is
    WHOLE = "whole"
    #: the item is withheld
    WITHHOLD = "withhold"


class ItemUnfitError(Exception):
    """A value that cannot be sent: too long for its VR and not to be cut, or not of its VR.  Names the keyword."""

    def __init__(self, keyword: str) -> None:
        super().__init__(f"{keyword} does not fit its value representation")
        self.keyword = keyword


def fitting(attribute: Attribute, text: str, too_long: TooLong = TooLong.CUT) -> str:
    """One value as its VR allows it: no control characters, and as ``too_long`` says.

    :raises ItemUnfitError: a value that is too long and is not to be cut.
    """
    vr = attribute.vr
    if vr in _PARAGRAPHS:
        text = _CONTROLS_OF_PARAGRAPHS.sub(" ", text)
    elif _CONTROLS.search(text):
        text = _CONTROLS.sub(" ", text.replace("\\", "/"))
    limit = VR_LIMITS.get(vr)
    if limit is None or too_long is TooLong.WHOLE or _length(vr, text) <= limit:
        return text
    if too_long is TooLong.WITHHOLD:
        raise ItemUnfitError(attribute.keyword)
    if attribute.keyword in _ECHOED:
        return text
    if vr == "PN":
        return "=".join(group[:limit] for group in text.split("=")[:3])
    if vr in _WHOLE_VRS or attribute.keyword in _NUMBERS:
        raise ItemUnfitError(attribute.keyword)
    return text[:limit].rstrip()


def check(attribute: Attribute, text: str, too_long: TooLong = TooLong.CUT) -> None:
    """Whether one value can be sent.

    :raises ItemUnfitError: it cannot.
    """
    if attribute.vr == "US":
        if not (text.isascii() and text.isdigit() and int(text) <= _MOST_OF_US):
            raise ItemUnfitError(attribute.keyword)
    elif not fitting(attribute, text, too_long).isascii() and attribute.vr not in _TEXT:
        raise ItemUnfitError(attribute.keyword)


def unfit(attribute: Attribute, attributes: Attributes, too_long: TooLong, asked: Value | None = None) -> str:
    """The keyword of the first value of ``attribute`` that cannot be sent; or empty.

    ``asked`` is the key of a request: of a sequence only what its item names counts, or everything when it has none.
    """
    value = attributes.get(attribute.keyword)
    if attribute.is_sequence:
        keys = next(iter(items_of(asked)), None)
        inner = [a for k, a in attribute.items.items() if not keys or k in keys]
        found = (unfit(a, item, too_long, (keys or {}).get(a.keyword)) for item in items_of(value) for a in inner)
        return next(filter(None, found), "")
    try:
        for text in texts(value):
            check(attribute, text, too_long)
    except ItemUnfitError as error:
        return error.keyword
    return ""


def _length(vr: str, text: str) -> int:
    return max(map(len, text.split("="))) if vr == "PN" else len(text)
