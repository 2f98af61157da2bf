"""Where associations whose peers take events are made known, so that somebody can send them some.

Owns the contract between connections and whoever has events to tell.  Keeps nothing.
"""

from asyncio import AbstractEventLoop
from typing import Protocol

from broker.dicom.upper_layer.reports import EventReport


class Listener(Protocol):
    """One association whose peer takes events; used on its event loop only."""

    def report(self, report: EventReport) -> None:
        """Tell the peer one event."""


class Listeners(Protocol):
    """Told on the event loop; must return at once."""

    def joined(self, calling_ae_title: str, listener: Listener, loop: AbstractEventLoop) -> bool:
        """An association was accepted on which its peer takes events.

        True when events are meant for it: then its silence is no reason to end it.
        """

    def left(self, listener: object) -> None:
        """An association ends; also called for those that never joined."""


class Nobody:
    """``Listeners`` of an acceptor that has no events to tell."""

    def joined(self, calling_ae_title: str, listener: Listener, loop: AbstractEventLoop) -> bool:
        """Nothing is sent."""
        return False

    def left(self, listener: object) -> None:
        """Nothing is kept."""
