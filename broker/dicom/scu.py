"""The service user: what modalities ask of a worklist and MPPS provider, for commands, emulators, forwards and tests.

Works with any provider.  Attributes go in and come out as plain mappings by DICOM keyword.  Holds no rules of the
broker and no patient data beyond the call.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ

from broker.dicom import datasets, library, reactor_gate
from broker.dicom.plain import Plain, from_dataset, to_dataset

VERIFICATION = "1.2.840.10008.1.1"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
TRANSFER_SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))

_SUCCESS = 0x0000
_PENDING = (0xFF00, 0xFF01)
#: stands for bytes that are sent in its place
_PLACEHOLDER = Dataset()
_PLACEHOLDER.PerformedProcedureStepStatus = "IN PROGRESS"
_Send = Callable[[int], tuple[Dataset, Dataset | None]]


class ScuError(Exception):
    """The provider could not be asked.  The text says where it ended; it holds no patient data."""


class NotReachable(ScuError):
    """No TCP connection, or nobody who speaks DICOM at the other end."""


class Rejected(ScuError):
    """The association was refused (PS3.8 Table 9-21)."""

    def __init__(self, result: int, source: int, reason: int, text: str) -> None:
        super().__init__(f"association rejected: {text} ({result}, {source}, {reason})")
        self.codes = (result, source, reason)


class NotOffered(ScuError):
    """The provider accepted the association but not the service asked for."""


class UnreadableDataset(ScuError):
    """What should be handed on is no data set that can be written in the provider's transfer syntax."""


class NoAnswer(ScuError):
    """The association ended, or the time ran out, before the answer came."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A provider and how to reach it.  Times in seconds."""

    host: str
    port: int
    called_ae_title: str = "BROKER"
    calling_ae_title: str = "BROKER_SCU"
    connect_timeout: float = 10.0
    answer_timeout: float = 30.0
    transfer_syntaxes: tuple[str, ...] = TRANSFER_SYNTAXES
    #: a transfer syntax proposed by itself before the others, so that a provider that knows it takes it
    preferred_syntax: str = ""
    ssl_context: ssl.SSLContext | None = None
    #: the name its certificate must have; empty: the host
    server_hostname: str = ""


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

    def create(self, attributes: Plain, sop_instance_uid: str | None = None) -> Answer:
        """N-CREATE of a performed procedure step; without UID the provider chooses it."""
        dataset = to_dataset(attributes)
        return self._answer(lambda n: self._association.send_n_create(dataset, MPPS, sop_instance_uid, n))

    def set(self, attributes: Plain, sop_instance_uid: str) -> Answer:
        """N-SET of a performed procedure step."""
        dataset = to_dataset(attributes)
        return self._answer(lambda n: self._association.send_n_set(dataset, MPPS, sop_instance_uid, n))

    def create_encoded(self, encoded: Encoded, sop_instance_uid: str) -> Answer:
        """N-CREATE with a data set as it was received, byte for byte when the provider takes its transfer syntax.

        Raises UnreadableDataset when it has to be written in another transfer syntax and cannot be read.
        """
        with self._sending(encoded):
            return self._answer(lambda n: self._association.send_n_create(_PLACEHOLDER, MPPS, sop_instance_uid, n))

    def set_encoded(self, encoded: Encoded, sop_instance_uid: str) -> Answer:
        """N-SET, as ``create_encoded``."""
        with self._sending(encoded):
            return self._answer(lambda n: self._association.send_n_set(_PLACEHOLDER, MPPS, sop_instance_uid, n))

    @contextmanager
    def _sending(self, encoded: Encoded) -> Iterator[None]:
        accepted = self._association.accepted_contexts
        agreed = next((str(c.transfer_syntax[0]) for c in accepted if c.abstract_syntax == MPPS), "")
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
    """An association for the named SOP classes (all four of the broker when none is named), released at the end.

    :raises NotReachable, Rejected: there is no association.
    """
    library.prepare()
    commands: list[Dataset] = []
    association = _associate(peer, services or (VERIFICATION, MODALITY_WORKLIST, MPPS, MPPS_RETRIEVE), commands)
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


def create(peer: Peer, attributes: Plain, sop_instance_uid: str | None = None) -> Answer:
    """N-CREATE on an association of its own."""
    with connect(peer, MPPS) as session:
        return session.create(attributes, sop_instance_uid)


def set_(peer: Peer, attributes: Plain, sop_instance_uid: str) -> Answer:
    """N-SET on an association of its own."""
    with connect(peer, MPPS) as session:
        return session.set(attributes, sop_instance_uid)


def get(peer: Peer, sop_instance_uid: str, keywords: Sequence[str] = ()) -> Answer:
    """N-GET on an association of its own."""
    with connect(peer, MPPS_RETRIEVE) as session:
        return session.get(sop_instance_uid, keywords)


def _associate(peer: Peer, services: Sequence[str], commands: list[Dataset]) -> Association:
    ae = AE(ae_title=peer.calling_ae_title)
    ae.connection_timeout = peer.connect_timeout
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = peer.answer_timeout
    offers = [[peer.preferred_syntax]] if peer.preferred_syntax else []
    offers += [[uid for uid in peer.transfer_syntaxes if uid != peer.preferred_syntax]]
    contexts = [build_context(uid, syntaxes) for uid in services for syntaxes in offers if syntaxes]

    refusals: list[A_ASSOCIATE_RJ] = []

    def keep(event: evt.Event) -> None:
        commands[:] = [event.message.command_set]

    def keep_refusal(event: evt.Event) -> None:
        if isinstance(event.pdu, A_ASSOCIATE_RJ):
            refusals.append(event.pdu)

    association = ae.associate(
        peer.host, peer.port, contexts, ae_title=peer.called_ae_title,
        evt_handlers=[
            (evt.EVT_CONN_OPEN, _without_delay), (evt.EVT_DIMSE_RECV, keep), (evt.EVT_PDU_RECV, keep_refusal)
        ],
        tls_args=(peer.ssl_context, peer.server_hostname or peer.host) if peer.ssl_context else None,
    )  # fmt: skip
    if association.is_established:
        reactor_gate.guard(association)
        return association
    where = f"{peer.called_ae_title} at {peer.host}:{peer.port}"
    # Not asked of the association: a refusal that comes before its caller looks at the connection is lost on it.
    if refusals:
        raise _rejected(refusals[0])
    if association.acceptor.primitive is None:
        raise NotReachable(f"{where} cannot be reached, or does not speak DICOM")
    raise NotOffered(f"{where} accepts none of the services asked for")


def _rejected(pdu: A_ASSOCIATE_RJ) -> Rejected:
    try:
        text = pdu.reason_str
    except ValueError:
        text = "a reason the standard does not have"
    return Rejected(pdu.result or 0, pdu.source or 0, pdu.reason_diagnostic or 0, text)


def _without_delay(event: evt.Event) -> None:
    """Nagle's algorithm off: it costs 40 ms a message against a peer with delayed acknowledgements."""
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
