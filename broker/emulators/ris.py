"""An emulated RIS: sends orders over MLLP, and listens for the status messages that come back.

Well-behaved unless told otherwise (``misbehaviours``).  Must not know the broker but by its ports.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from broker.emulators.orders import Envelope, InventedOrder, adt, orm
from broker.emulators.people import InventedPatient
from hl7.acknowledge import acknowledge
from hl7.client import Acknowledged, MllpConnection, Outcome
from hl7.control_ids import new_control_id
from hl7.errors import AckCode, Hl7Error
from hl7.parsing import parse
from hl7.peers import PeerInfo
from hl7.server import MllpServer


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RisConfig:
    """Where the broker's intake listens, and who we say we are."""

    host: str
    port: int
    application: str = "RIS"
    facility: str = "DEMO"
    clock: Callable[[], datetime] = _now
    control_id: Callable[[], str] = new_control_id


class Ris:
    """A sender of orders with one persistent connection."""

    def __init__(self, config: RisConfig) -> None:
        self._config = config
        self._connection = MllpConnection(config.host, config.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def envelope(self) -> Envelope:
        """The header of the next message."""
        config = self._config
        return Envelope(config.control_id(), config.clock(), config.application, config.facility)

    def place(self, order: InventedOrder) -> Outcome:
        """Send a new order."""
        return self._connection.send(orm(order, "NW", self.envelope()))

    def change(self, order: InventedOrder) -> Outcome:
        """Send what has changed about an order."""
        return self._connection.send(orm(order, "XO", self.envelope()))

    def cancel(self, order: InventedOrder) -> Outcome:
        """Cancel an order."""
        return self._connection.send(orm(order, "CA", self.envelope()))

    def update(self, patient: InventedPatient) -> Outcome:
        """Send changed patient data."""
        return self._connection.send(adt(patient, self.envelope()))

    def send(self, message: bytes) -> Outcome:
        """Send any message."""
        return self._connection.send(message)


def accepted(outcome: Outcome) -> bool:
    """True when the broker answered AA."""
    return isinstance(outcome, Acknowledged) and outcome.acknowledgement.accepted


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """A status message as the RIS reads it."""

    control_id: str
    placer_order_number: str
    accession_number: str
    order_control: str
    order_status: str
    result_status: str


class StatusListener:
    """Listens for status messages on a thread of its own and answers ``code`` (AA unless told otherwise).

    ``on_status`` is called for each readable message, on the listener's thread.
    """

    def __init__(
        self, host: str, port: int, on_status: Callable[[StatusReceived], None], code: AckCode = AckCode.AA
    ) -> None:
        self._on_status = on_status
        self._code = code
        self._server = MllpServer(host, port, self._answer)
        self._thread = threading.Thread(target=self._run, name="ris-status", daemon=True)
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._server.port

    def start(self) -> None:
        """Begin to listen.  Raises OSError when the port cannot be used."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Stop listening; does nothing when it could not start."""
        if self._started.done() and self._started.exception() is None:
            self._started.result().call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        try:
            await self._server.start()
        except OSError as error:
            self._started.set_exception(error)
            return
        self._started.set_result(asyncio.get_running_loop())
        await self._stop.wait()
        await self._server.stop()

    async def _answer(self, raw: bytes, peer: PeerInfo) -> bytes | None:
        try:
            message = parse(raw)
        except Hl7Error:
            return None  # the connection is closed, the sender repeats
        self._on_status(
            StatusReceived(
                message.control_id, message.text("ORC-2.1"), message.text("OBR-18"), message.text("ORC-1"),
                message.text("ORC-5"), message.text("OBR-25"),
            )
        )  # fmt: skip
        return acknowledge(message, self._code)
