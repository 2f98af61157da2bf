"""Owns: a DICOM acceptor with the broker's handlers on a test's database. Must not: hold rules of the worklist."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from broker.dicom.acceptor import Acceptor
from broker.dicom.association_log import AssociationLog
from broker.dicom.association_policy import AssociationPolicy
from broker.dicom.availability import AvailabilityHandler
from broker.dicom.handlers import BrokerHandlers
from broker.dicom.mpps import MppsHandler
from broker.dicom.scu import Peer
from broker.dicom.upper_layer import AcceptorConfig
from broker.dicom.worklist import WorklistConfig, WorklistHandler
from broker.domain.devices import DeviceProfile
from broker.domain.site import Site
from broker.services.context import Context
from broker.services.device_registry import DeviceDirectory
from broker.services.devices import DeviceLog
from broker.store.database import Database

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Provider:
    """A running acceptor."""

    context: Context
    port: int
    log: DeviceLog
    acceptor: Acceptor
    directory: DeviceDirectory

    def peer(self, calling_ae_title: str = "CT1", **more: object) -> Peer:
        """How to reach it as the device `calling_ae_title`."""
        return Peer("127.0.0.1", self.port, calling_ae_title=calling_ae_title, **more)  # type: ignore[arg-type]


@contextlib.contextmanager
def provider(
    url: str,
    *profiles: DeviceProfile,
    limit: int = 0,
    charset: str = "ISO_IR 192",
    accept_unknown: bool = True,
    zone: str = "UTC",
) -> Iterator[Provider]:
    """An acceptor on a free port, on the migrated database at `url`."""
    database = Database(url)
    context = Context(database, Site(zone=ZoneInfo(zone)), lambda: NOW)
    log = DeviceLog(context)
    registry = DeviceDirectory(context, profiles)
    registry.start()
    worklist = WorklistHandler(context, WorklistConfig(limit, charset), registry, log)
    policy = AssociationPolicy(registry, log, accept_unknown=accept_unknown)
    config = AcceptorConfig(port=0, fuzzy_names=True, timezone_adjustment=True)
    handlers = BrokerHandlers(worklist, MppsHandler(context), AvailabilityHandler(context))
    acceptor = Acceptor(config, handlers, policy.admit, AssociationLog(log))
    acceptor.start()
    try:
        yield Provider(context, acceptor.port, log, acceptor, registry)
    finally:
        acceptor.stop()
        log.stop()
        registry.stop()
        database.close()
