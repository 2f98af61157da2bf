"""Owns: a provider of MPPS (or another class with N-CREATE) on plain pynetdicom that answers as a script says and keeps
the bytes it got.
Must not: use the broker's own DICOM code.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

BOTH = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")


@dataclass(frozen=True)
class Taken:
    """One request as it arrived."""

    service: str
    uid: str
    data: bytes
    transfer_syntax_uid: str
    calling_ae_title: str


@dataclass
class MppsProvider:
    """What arrived, and what is said: statuses (with an Error ID, when it is a pair), used up one by one."""

    script: deque[int | tuple[int, int]] = field(default_factory=deque)
    received: list[Taken] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    #: keep book of instances and answer 0111 and 0112 by the standard
    strict: bool = False
    port: int = 0

    def create(self, event: evt.Event) -> tuple[Dataset, Dataset | None]:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        self._take("N-CREATE", uid, request.AttributeList.getvalue(), event)
        if self.strict and uid in self.known:
            return _status(0x0111), None
        return self._answer(uid)

    def change(self, event: evt.Event) -> tuple[Dataset, Dataset | None]:
        request: Any = event.request
        uid = str(request.RequestedSOPInstanceUID)
        self._take("N-SET", uid, request.ModificationList.getvalue(), event)
        if self.strict and uid not in self.known:
            return _status(0x0112), None
        return self._answer(uid)

    def _take(self, service: str, uid: str, data: bytes, event: evt.Event) -> None:
        calling = str(event.assoc.requestor.ae_title).strip()
        self.received.append(Taken(service, uid, data, str(event.context.transfer_syntax), calling))

    def _answer(self, uid: str) -> tuple[Dataset, Dataset | None]:
        said = self.script.popleft() if self.script else 0x0000
        code, error_id = said if isinstance(said, tuple) else (said, None)
        if code == 0:
            self.known.add(uid)
        return _status(code, error_id), Dataset()


def _status(code: int, error_id: int | None = None) -> Dataset:
    status = Dataset()
    status.Status = code
    if error_id is not None:
        status.ErrorID = error_id
    return status


@contextmanager
def mpps_provider(
    script: Iterable[int | tuple[int, int]] = (), *, syntaxes: Sequence[str] = BOTH, strict: bool = False,
    called: str = "", sop_class: str = ModalityPerformedProcedureStep,
) -> Iterator[MppsProvider]:  # fmt: skip
    """Listens at once.  With `called`, only that AE title is accepted."""
    state = MppsProvider(deque(script), strict=strict)
    ae = AE(ae_title=called or "ARCHIVE")
    ae.require_called_aet = bool(called)
    ae.add_supported_context(sop_class, list(syntaxes))
    handlers: list[Any] = [(evt.EVT_N_CREATE, state.create), (evt.EVT_N_SET, state.change)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    state.port = server.server_address[1]
    try:
        yield state
    finally:
        server.shutdown()
