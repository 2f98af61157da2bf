"""Which form an answer has and which a request: the headers Accept and Content-Type (PS3.18 sections 8.7.3 to 8.7.6).

Owns the media types of data sets.  Must not: know what is in a document.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message

from broker.services.dicomweb import Form

_PARTS_OF_A_LIST = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
#: the general name of JSON is taken for DICOM's
_PLAIN_JSON = "application/json"
_MULTIPART = "multipart/related"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type as headers have it: its name in lower case, and its parameters."""

    name: str
    parameters: dict[str, str]

    @property
    def quality(self) -> float:
        """The weight in an Accept header (RFC 9110 section 12.4.2); 1 unless given, 0 when it is no number."""
        try:
            return min(float(self.parameters.get("q", "1")), 1.0)
        except ValueError:
            return 0.0


@dataclass(frozen=True, slots=True)
class Representation:
    """How an answer is written down."""

    form: Form
    multipart: bool = False
    #: as the header Content-Type names a single document
    name: str = ""

    @property
    def media_type(self) -> str:
        """The media type of one document."""
        return self.name or self.form.value


JSON, XML = Representation(Form.JSON), Representation(Form.XML)
#: what can be answered, the usual first
OFFERS: Sequence[Representation] = (JSON, XML, Representation(Form.JSON, True), Representation(Form.XML, True))


def media_type(text: str) -> MediaType:
    """A media type with its parameters; an empty name when there is none."""
    message = Message()
    message["Content-Type"] = text
    found = message.get_params(failobj=[]) or [("", "")]
    return MediaType(found[0][0].strip().lower(), {name.lower(): value for name, value in found[1:]})


def acceptable(accept: str) -> list[Representation]:
    """What the header accepts of what we offer, the best first; everything when it is empty."""
    wanted = [media_type(part) for part in _PARTS_OF_A_LIST.findall(accept)] or [media_type("*/*")]
    ranked: list[tuple[float, int, int, Representation]] = []
    for place, offer in enumerate(OFFERS):
        fits = [(_specific(one, offer), one) for one in wanted]
        best = max((pair for pair in fits if pair[0]), key=lambda pair: pair[0], default=None)
        if best is not None and best[1].quality > 0:
            named = Representation(offer.form, offer.multipart, best[1].name if best[1].name == _PLAIN_JSON else "")
            ranked.append((-best[1].quality, -best[0], place, named))
    return [one for *_, one in sorted(ranked, key=lambda entry: entry[:3])]


def _specific(wanted: MediaType, offer: Representation) -> int:
    """How exactly a range of the Accept header means the offer; 0 when it does not."""
    if wanted.name == "*/*":
        return 1
    if offer.multipart:
        kind = wanted.parameters.get("type", "").lower()
        if wanted.name in (_MULTIPART, "multipart/*") and kind in ("", offer.form.value):
            return 3 if kind else 2
        return 0
    if wanted.name == "application/*":
        return 2
    return 3 if wanted.name == offer.form.value or (wanted.name == _PLAIN_JSON and offer.form is Form.JSON) else 0


def form_of(name: str) -> Form | None:
    """The form that a media type names."""
    return Form.JSON if name == _PLAIN_JSON else next((form for form in Form if form.value == name), None)


def is_multipart(found: MediaType) -> bool:
    """True for multipart/related."""
    return found.name == _MULTIPART
