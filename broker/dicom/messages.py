"""The requests and answers that DICOM handlers see: plain values, never a transport object.

Owns the contract between an acceptor (which speaks PS3.8 and PS3.7) and the handlers of the service classes
(Verification, Modality Worklist, MPPS).  Either side may be replaced without the other noticing.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable


@dataclass(frozen=True, slots=True)
class Association:
    """Who is asking: the facts of one established association (PS3.8 section 7.1, PS3.7 Annex D.3)."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    port: int
    implementation_class_uid: str = ""
    implementation_version: str = ""
    #: accepted SOP class extended negotiation (PS3.4 K.5): fuzzy person-name matching, timezone query adjustment
    fuzzy_names: bool = False
    timezone_adjustment: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One DIMSE request.  ``dataset`` holds the encoded identifier or attribute list as received."""

    association: Association
    message_id: int
    sop_class_uid: str
    transfer_syntax_uid: str
    dataset: bytes = b""
    #: Affected (N-CREATE) or Requested (N-SET, N-GET) SOP Instance UID; None when the request carries none
    sop_instance_uid: str | None = None
    #: N-GET Attribute Identifier List (0000,1005) as integers ``group << 16 | element``; empty means all
    attribute_identifiers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Response:
    """One DIMSE response.  ``dataset`` is encoded in the request's transfer syntax; None sends none."""

    status: int
    dataset: bytes | None = None
    #: Error Comment (0000,0902): at most 64 characters of the default repertoire, no patient data
    error_comment: str | None = None
    #: Error ID (0000,0903)
    error_id: int | None = None
    #: Offending Element (0000,0901) of C-FIND, Attribute Identifier List (0000,1005) of the N services
    offending: tuple[int, ...] = field(default=())
    #: Affected SOP Instance UID to return (N-CREATE: also when the provider assigned it)
    sop_instance_uid: str | None = None


class ReadyResponses(tuple[Response, ...]):
    """Responses that are given again and again, the final one last.

    Whoever sends them may keep their bytes in ``encoded``, under everything that the bytes depend on besides.
    """

    encoded: dict[Hashable, bytes]

    def __new__(cls, responses: Iterable[Response]) -> Self:
        """These responses, not encoded yet."""
        made = super().__new__(cls, responses)
        made.encoded = {}
        return made


class Handlers(Protocol):
    """What an acceptor calls, each on a thread where blocking is allowed.

    A handler answers every request, also a wrong one; it raises nothing on purpose.  An acceptor that catches an
    exception all the same answers 0xC001 (C-FIND) or 0x0110 (N services), logs once, and goes on.
    """

    def find(self, request: Request) -> Iterator[Response]:
        """C-FIND: pending responses, then exactly one final one.  Closed early (``close()``) on C-CANCEL or abort;
        the acceptor then sends 0xFE00 itself."""

    def create(self, request: Request) -> Response:
        """N-CREATE."""

    def set(self, request: Request) -> Response:
        """N-SET."""

    def get(self, request: Request) -> Response:
        """N-GET (PS3.4 F.8: MPPS Retrieve)."""


@runtime_checkable
class AnswersAtOnce(Protocol):
    """Handlers that may have an answer ready: they are asked on the acceptor's event loop and must not wait."""

    def find_at_once(self, request: Request) -> tuple[Response, ...] | None:
        """All responses to a C-FIND, the final one last; None when ``find`` has to be called."""
