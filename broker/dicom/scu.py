"""The service user: what modalities ask of a worklist and MPPS provider, for commands, emulators, forwards and tests.

Works with any provider.  Attributes go in and come out as plain mappings by DICOM keyword.  Holds no rules of the
broker and no patient data beyond the call.  How associations are made is in ``requestor``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag
from pynetdicom import evt
from pynetdicom.association import Association

from broker.dicom import datasets, library
from broker.dicom.plain import Plain, from_dataset, to_dataset
from broker.dicom.requestor import (
    MPPS_NOTIFICATION,
    TRANSFER_SYNTAXES,
    NoAnswer,
    NotOffered,
    NotReachable,
    Peer,
    Rejected,
    RoleRefused,
    ScuError,
    UnreadableDataset,
    associate,
)

__all__ = [
    "INSTANCE_AVAILABILITY",
    "MODALITY_WORKLIST",
    "MPPS",
    "MPPS_NOTIFICATION",
    "MPPS_RETRIEVE",
    "TRANSFER_SYNTAXES",
    "VERIFICATION",
    "Answer",
    "Encoded",
    "Found",
    "NoAnswer",
    "NotOffered",
    "NotReachable",
    "Peer",
    "Rejected",
    "RoleRefused",
    "ScuError",
    "Session",
    "UnreadableDataset",
    "connect",
    "create",
    "echo",
    "find",
    "get",
    "set_",
]

VERIFICATION = "1.2.840.10008.1.1"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"

#: of these the service user wants to be the provider: it sends events (PS3.4 F.9)
_PROVIDED = frozenset({MPPS_NOTIFICATION})
_SUCCESS = 0x0000
_PENDING = (0xFF00, 0xFF01)
#: stands for bytes that are sent in its place
_PLACEHOLDER = Dataset()
_PLACEHOLDER.PerformedProcedureStepStatus = "IN PROGRESS"
_Send = Callable[[int], tuple[Dataset, Dataset | None]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A data set as received from somebody else."""

    data: bytes
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One final DIMSE response: its status and what came with it."""

    status: int
    attributes: Mapping[str, object] = field(default_factory=dict)
    sop_instance_uid: str | None = None
    error_comment: str = ""
    error_id: int | None = None
    #: Offending Element or Attribute Identifier List, as integers ``group << 16 | element``
    offending: tuple[int, ...] = ()

    @property
    def succeeded(self) -> bool:
        """True for Success and for the warnings with which an N service takes effect."""
        return self.status in (_SUCCESS, 0x0001, 0x0107, 0x0116)


@dataclass(frozen=True, slots=True)
class Found:
    """The answers of a C-FIND: every match, the pending statuses seen, and the final response."""

    items: tuple[Mapping[str, object], ...]
    pending: frozenset[int]
    final: Answer


class Session:
    """An open association.  Made by ``connect``; not for several threads at once."""

    def __init__(self, association: Association, commands: list[Dataset]) -> None:
        self._association = association
        self._commands = commands
        self._message_id = 0
        self._instead: bytes | None = None
        association.bind(evt.EVT_DIMSE_SENT, self._exchange_data)

    def abort(self) -> None:
        """From another thread: end the association; what waits for an answer gets NoAnswer."""
        self._association.abort(block=False)

    def echo(self) -> Answer:
        """C-ECHO."""
        return self._answer(lambda n: (self._association.send_c_echo(n), None))

    def find(self, identifier: Plain, *, limit: int = 0) -> Found:
        """C-FIND on the worklist; with ``limit``, C-CANCEL after that many matches."""
        message_id = self._next_id()
        items: list[Mapping[str, object]] = []
        pending: set[int] = set()
        status = Dataset()
        for status, item in self._responses(to_dataset(identifier), message_id):
            if item is None or status.get("Status") not in _PENDING:
                continue
            pending.add(status.Status)
            if limit and len(items) == limit:
                continue
            items.append(from_dataset(item))
            if limit and len(items) == limit:
                self._association.send_c_cancel(message_id, query_model=MODALITY_WORKLIST)
        return Found(tuple(items), frozenset(pending), self._final(status, None))

    def create(self, attributes: Plain, sop_instance_uid: str | None = None, *, sop_class: str = MPPS) -> Answer:
        """N-CREATE of a performed procedure step (or of another class); without UID the provider chooses it."""
        dataset = to_dataset(attributes)
        return self._answer(lambda n: self._association.send_n_create(dataset, sop_class, sop_instance_uid, n))

    def set(self, attributes: Plain, sop_instance_uid: str) -> Answer:
        """N-SET of a performed procedure step."""
        dataset = to_dataset(attributes)
        return self._answer(lambda n: self._association.send_n_set(dataset, MPPS, sop_instance_uid, n))

    def create_encoded(self, encoded: Encoded, sop_instance_uid: str, *, sop_class: str = MPPS) -> Answer:
        """N-CREATE with a data set as it was received, byte for byte when the provider takes its transfer syntax.

        Raises UnreadableDataset when it has to be written in another transfer syntax and cannot be read.
        """
        with self._sending(encoded, sop_class):
            return self._answer(lambda n: self._association.send_n_create(_PLACEHOLDER, sop_class, sop_instance_uid, n))

    def set_encoded(self, encoded: Encoded, sop_instance_uid: str) -> Answer:
        """N-SET, as ``create_encoded``."""
        with self._sending(encoded, MPPS):
            return self._answer(lambda n: self._association.send_n_set(_PLACEHOLDER, MPPS, sop_instance_uid, n))

    @contextmanager
    def _sending(self, encoded: Encoded, sop_class: str) -> Iterator[None]:
        accepted = self._association.accepted_contexts
        agreed = next((str(c.transfer_syntax[0]) for c in accepted if c.abstract_syntax == sop_class), "")
        data = encoded.data
        if agreed and agreed != encoded.transfer_syntax_uid:
            try:
                decoded = datasets.decode(data, encoded.transfer_syntax_uid)
                data = datasets.encode(decoded.dataset, agreed)
            except datasets.DatasetError as error:
                raise UnreadableDataset(f"cannot be written in {agreed}: {error}") from error
        self._instead = data
        try:
            yield
        finally:
            self._instead = None

    def _exchange_data(self, event: evt.Event) -> None:
        """Put the bytes to be sent in the place of the placeholder, just before the message is cut into PDUs."""
        if self._instead is not None:
            event.message.data_set = BytesIO(self._instead)

    def report(self, event_type: int, sop_instance_uid: str) -> Answer:
        """N-EVENT-REPORT about a performed procedure step, as provider of MPPS Notification (PS3.4 F.9.2).

        Raises RoleRefused: without the role that was proposed events may not be sent (PS3.7 D.3.3.4).
        """
        provided = [c for c in self._association.accepted_contexts if c.abstract_syntax == MPPS_NOTIFICATION]
        if provided and not any(context.as_scp for context in provided):
            raise RoleRefused(
                "the receiver accepted MPPS Notification without our role as its provider (SCP/SCU role selection: "
                "SCU 0, SCP 1), so no event may be sent; let it accept this role from us"
            )
        send = self._association.send_n_event_report
        return self._answer(lambda n: send(None, event_type, MPPS_NOTIFICATION, sop_instance_uid, n))

    def get(self, sop_instance_uid: str, keywords: Sequence[str] = ()) -> Answer:
        """N-GET (MPPS Retrieve) of the named attributes, or of all."""
        tags = [Tag(tag) for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
        return self._answer(lambda n: self._association.send_n_get(tags, MPPS_RETRIEVE, sop_instance_uid, n))

    def _responses(self, identifier: Dataset, message_id: int) -> Iterator[tuple[Dataset, Dataset | None]]:
        try:
            yield from self._association.send_c_find(identifier, MODALITY_WORKLIST, message_id)
        except ValueError as error:
            raise NotOffered("the provider does not offer the Modality Worklist") from error
        except RuntimeError as error:
            raise NoAnswer("the association is closed") from error

    def _answer(self, send: _Send) -> Answer:
        try:
            status, dataset = send(self._next_id())
        except ValueError as error:
            raise NotOffered("the provider does not offer this service") from error
        except RuntimeError as error:
            raise NoAnswer("the association is closed") from error
        return self._final(status, dataset)

    def _final(self, status: Dataset, dataset: Dataset | None) -> Answer:
        if "Status" not in status:
            raise NoAnswer("no valid answer came before the association ended or the time ran out")
        command = self._commands[-1] if self._commands else Dataset()
        offending = command.get("OffendingElement") or command.get("AttributeIdentifierList") or ()
        return Answer(
            status=int(status.Status),
            attributes=from_dataset(dataset) if dataset is not None else {},
            sop_instance_uid=str(command.get("AffectedSOPInstanceUID") or "") or None,
            error_comment=str(command.get("ErrorComment") or ""),
            error_id=command.get("ErrorID"),
            offending=(int(offending),) if isinstance(offending, int) else tuple(int(tag) for tag in offending),
        )

    def _next_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id


@contextmanager
def connect(peer: Peer, *services: str) -> Iterator[Session]:
    """An association for the named SOP classes, released at the end; by default worklist, MPPS, Retrieve, Verification.

    :raises NotReachable, Rejected, NotOffered: there is no association.
    """
    library.prepare()
    commands: list[Dataset] = []
    wanted = services or (VERIFICATION, MODALITY_WORKLIST, MPPS, MPPS_RETRIEVE)
    association = associate(peer, wanted, commands, provided=_PROVIDED.intersection(wanted))
    try:
        yield Session(association, commands)
    finally:
        if association.is_established:
            association.release()


def echo(peer: Peer) -> Answer:
    """C-ECHO on an association of its own."""
    with connect(peer, VERIFICATION) as session:
        return session.echo()


def find(peer: Peer, identifier: Plain, *, limit: int = 0) -> Found:
    """C-FIND on an association of its own."""
    with connect(peer, MODALITY_WORKLIST) as session:
        return session.find(identifier, limit=limit)


def create(
    peer: Peer, attributes: Plain, sop_instance_uid: str | None = None, *, sop_class: str = MPPS
) -> Answer:  # fmt: skip
    """N-CREATE on an association of its own."""
    with connect(peer, sop_class) as session:
        return session.create(attributes, sop_instance_uid, sop_class=sop_class)


def set_(peer: Peer, attributes: Plain, sop_instance_uid: str) -> Answer:
    """N-SET on an association of its own."""
    with connect(peer, MPPS) as session:
        return session.set(attributes, sop_instance_uid)


def get(peer: Peer, sop_instance_uid: str, keywords: Sequence[str] = ()) -> Answer:
    """N-GET on an association of its own."""
    with connect(peer, MPPS_RETRIEVE) as session:
        return session.get(sop_instance_uid, keywords)
