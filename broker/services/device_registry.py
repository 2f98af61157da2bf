"""All devices in one list: those of the settings, and those that people accepted; who knocks, and what is odd.

Owns the registry that associations and queries are decided by, and the use cases that change it.  What the settings
provide cannot be changed here: the settings file is the truth about those.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from broker.domain.device_settings import profile_of, settings_of
from broker.domain.devices import DeviceProfile, DeviceRegistry
from broker.domain.errors import Reason, Refusal
from broker.domain.near_misses import near_misses
from broker.services.context import Context
from broker.services.refreshing import Refresher
from broker.store import device_registry as store
from broker.store import devices as seen_store
from broker.store import tolerations
from broker.store.database import Connection
from broker.store.device_registry import Registration, SeenAddress, Warned
from broker.store.devices import QueryRecord, SeenDevice
from broker.store.tolerations import TolerationCount

_log = logging.getLogger(__name__)
#: an AE title that came from two addresses within this time may be two devices
_TWO_ADDRESSES = timedelta(hours=24)


class Source(StrEnum):
    """Where a device is known from."""

    SETTINGS = "settings"
    ACCEPTED = "accepted"
    KNOCKING = "knocking"


@dataclass(frozen=True, slots=True)
class Device:
    """One line of the list: what is known about an AE title."""

    profile: DeviceProfile
    source: Source
    seen: SeenDevice | None
    addresses: tuple[SeenAddress, ...]
    warnings: tuple[Warned, ...]
    #: registered AE titles that this one may be meant for, with the difference in words
    near: tuple[tuple[str, str], ...] = ()
    registration: Registration | None = None
    #: it came from several addresses lately
    moved: bool = False
    #: breaches of the MPPS rules that it was let pass
    tolerations: tuple[TolerationCount, ...] = ()

    @property
    def oddities(self) -> int:
        """How often something was odd or let pass."""
        return sum(w.times for w in self.warnings) + sum(t.times for t in self.tolerations)

    @property
    def ae_title(self) -> str:
        """Its calling AE title."""
        return self.profile.ae_title

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is set for it, as plain values."""
        return settings_of(self.profile)


class DeviceDirectory:
    """The registry in force.  ``known`` and ``profile`` answer from memory; safe for many threads.

    ``start`` keeps it fresh on a thread, so that changes made by other processes count within half a second.
    """

    def __init__(self, context: Context, provisioned: Iterable[DeviceProfile] = ()) -> None:
        self._context = context
        self._provisioned = {p.ae_title: p for p in provisioned}
        self._registry = DeviceRegistry(self._provisioned)
        self._refresher = Refresher("registered devices", self.refresh)

    def known(self, ae_title: str) -> bool:
        """True when the device is registered."""
        return self._registry.known(ae_title)

    def profile(self, ae_title: str) -> DeviceProfile:
        """The profile of the device, or the defaults."""
        return self._registry.profile(ae_title)

    @property
    def provisioned(self) -> Mapping[str, DeviceProfile]:
        """The devices of the settings."""
        return self._provisioned

    def refresh(self) -> None:
        """Read what people registered.  Raises Unavailable."""
        rows = self._context.database.read(store.registrations)
        self._registry = DeviceRegistry({r.ae_title: _profile(r) for r in rows} | self._provisioned)

    def start(self) -> None:
        """Read now, and again and again; without a database the devices of the settings count until it is there."""
        self._refresher.start()

    def stop(self) -> None:
        """End the thread."""
        self._refresher.stop()


def _profile(registration: Registration) -> DeviceProfile:
    """A registration that this version cannot read counts with the defaults, so that its device keeps its list."""
    try:
        return profile_of(registration.ae_title, registration.settings)
    except Refusal as refusal:
        _log.error("registered device %r: %s: %s", registration.ae_title, refusal.where, refusal.text)
        return DeviceProfile(registration.ae_title)


def listed(context: Context, directory: DeviceDirectory) -> list[Device]:
    """All devices, known and knocking, by AE title."""

    def work(connection: Connection) -> list[Device]:
        seen = {d.ae_title: d for d in seen_store.listed(connection)}
        rows = {r.ae_title: r for r in store.registrations(connection)}
        known = {t: _profile(r) for t, r in rows.items()} | dict(directory.provisioned)
        came_from, warned = store.addresses(connection), store.warnings(connection)
        found = []
        for title in sorted({*seen, *known, *tolerations.totals(connection)}):
            source = Source.SETTINGS if title in directory.provisioned else Source.ACCEPTED
            source = source if title in known else Source.KNOCKING
            addresses = tuple(a for a in came_from if a.ae_title == title)
            found.append(
                Device(
                    known.get(title) or DeviceProfile(title), source, seen.get(title), addresses,
                    tuple(w for w in warned if w.ae_title == title),
                    tuple(near_misses(title, known)) if source is Source.KNOCKING else (),
                    rows.get(title), moved=_moved(addresses),
                    tolerations=tuple(tolerations.of_device(connection, title)),
                )
            )  # fmt: skip
        return found

    return context.database.read(work)


def _moved(addresses: tuple[SeenAddress, ...]) -> bool:
    """The last seen first: the second was seen within the time, too."""
    return len(addresses) > 1 and addresses[0].last_seen_at - addresses[1].last_seen_at < _TWO_ADDRESSES


def find(context: Context, directory: DeviceDirectory, ae_title: str) -> Device | None:
    """One device; None when it is neither registered nor was ever seen."""
    return next((d for d in listed(context, directory) if d.ae_title == ae_title), None)


def register(
    context: Context,
    directory: DeviceDirectory,
    ae_title: str,
    settings: Mapping[str, Any] | None = None,
    *,
    by: str = "",
) -> DeviceProfile:
    """Accept a device, or change what is set for it; counts at once.  ``settings`` None keeps what is set.

    :raises Refusal: the AE title or a setting is wrong, or the device is one of the settings file.
    """
    title = ae_title.strip(" ")
    if not 0 < len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        text = "an AE title has 1 to 16 ASCII characters, no backslash"
        raise Refusal(Reason.INVALID_VALUE, text, where="ae_title")
    if title in directory.provisioned:
        text = "this device is in the settings file; change it there and restart the broker"
        raise Refusal(Reason.WRONG_STATE, text, where="ae_title")
    new = None if settings is None else settings_of(profile_of(title, settings))
    now = context.clock()

    def work(connection: Connection) -> None:
        present = {r.ae_title: r.settings for r in store.registrations(connection)}
        kept = present.get(title, {}) if new is None else new
        store.register(connection, Registration(title, kept, by, now))

    context.database.write(work)
    _log.info("device %r registered by %s", title, by or "the command line")
    directory.refresh()
    return directory.profile(title)


def unregister(context: Context, directory: DeviceDirectory, ae_title: str, *, by: str = "") -> bool:
    """Take an acceptance back; the device knocks again.  False when it was not accepted by people."""
    gone = context.database.write(lambda c: store.unregister(c, ae_title))
    if gone:
        _log.info("device %r no longer registered, by %s", ae_title, by or "the command line")
        directory.refresh()
    return gone


def forget_warnings(context: Context, ae_title: str) -> int:
    """Begin a new list of warnings about a device; answers how many there were."""
    return context.database.write(lambda c: store.forget_warnings(c, ae_title))


def recent_queries(context: Context, calling_ae_title: str, limit: int = 100) -> list[QueryRecord]:
    """The newest queries of a device, newest first."""
    return context.database.read(lambda c: seen_store.recent_queries(c, calling_ae_title, limit))
