"""A user of MPPS Notification: takes events of performed steps, being called or calling itself, for emulators.

Works with any provider of the class.  Holds no rules of the broker.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.association import Association

from broker.dicom import library
from broker.dicom.requestor import MPPS_NOTIFICATION, Peer, associate


@dataclass(frozen=True, slots=True)
class PerformedEvent:
    """One event (PS3.4 Table F.9.2-1) and who told it."""

    event_type: int
    sop_instance_uid: str
    #: AE title
    provider: str


Told = Callable[[PerformedEvent], None]


@contextmanager
def listening(host: str, port: int, ae_title: str, told: Told) -> Iterator[int]:
    """Be called: accept providers that propose themselves as such (SCU 0, SCP 1); gives the port listened on.

    Raises OSError when the address cannot be bound.
    """
    library.prepare()
    entity = AE(ae_title=ae_title)
    entity.require_called_aet = True
    entity.add_supported_context(MPPS_NOTIFICATION, scu_role=False, scp_role=True)
    take = _taking(told, lambda association: str(association.requestor.ae_title).strip())
    server = entity.start_server((host, port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    if server is None:
        raise OSError("the server did not start")
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()


@contextmanager
def calling(peer: Peer, told: Told) -> Iterator[Callable[[], bool]]:
    """Call a provider and keep the association open; gives the question whether it still is.

    Raises scu.ScuError when there is no association.
    """
    library.prepare()
    take = _taking(told, lambda _: peer.called_ae_title)
    association = associate(peer, [MPPS_NOTIFICATION], [], handlers=[(evt.EVT_N_EVENT_REPORT, take)])
    # silence is what such an association is for
    association.network_timeout = None
    try:
        yield lambda: bool(association.is_established)
    finally:
        if association.is_established:
            association.release()


def _taking(told: Told, provider: Callable[[Association], str]) -> Callable[[evt.Event], tuple[int, None]]:
    def take(event: evt.Event) -> tuple[int, None]:
        request: Any = event.request
        told(
            PerformedEvent(
                int(request.EventTypeID), str(request.AffectedSOPInstanceUID), provider(event.assoc)
            )
        )  # fmt: skip
        return 0x0000, None

    return take
