"""Owns: a user of MPPS Notification on plain pynetdicom that is called, with its role accepted, refused or ignored.
Must not: use the broker's own DICOM code.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStepNotification  # type: ignore[attr-defined]

#: how the receiver answers the role selection of its caller (SCU 0, SCP 1), as pynetdicom's settings of a context
ROLES: dict[str, tuple[bool | None, bool | None]] = {
    "accepted": (False, True), "ignored": (None, None), "refused": (False, False),
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """One event as it arrived."""

    event_type: int
    uid: str
    sop_class: str
    calling_ae_title: str
    information: bytes


@dataclass
class EventReceiver:
    """What was told, and what is answered: statuses used up one by one, then success."""

    script: deque[int] = field(default_factory=deque)
    told: list[Told] = field(default_factory=list)
    #: associations that were accepted, events or not
    associations: int = 0
    port: int = 0

    def take(self, event: evt.Event) -> tuple[Dataset | int, None]:
        request: Any = event.request
        information = request.EventInformation.getvalue() if request.EventInformation else b""
        self.told.append(
            Told(
                int(request.EventTypeID), str(request.AffectedSOPInstanceUID), str(request.AffectedSOPClassUID),
                str(event.assoc.requestor.ae_title).strip(), information,
            )
        )  # fmt: skip
        return self.script.popleft() if self.script else 0x0000, None

    def count(self, _: evt.Event) -> None:
        self.associations += 1


@contextmanager
def event_receiver(script: Iterable[int] = (), *, role: str = "accepted", called: str = "") -> Iterator[EventReceiver]:
    """Listens at once.  With ``called``, only that AE title is accepted."""
    state = EventReceiver(deque(script))
    ae = AE(ae_title=called or "VIEWER")
    ae.require_called_aet = bool(called)
    scu, scp = ROLES[role]
    ae.add_supported_context(ModalityPerformedProcedureStepNotification, scu_role=scu, scp_role=scp)
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, state.take), (evt.EVT_ESTABLISHED, state.count)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    state.port = server.server_address[1]
    try:
        yield state
    finally:
        server.shutdown()
