"""Destinations that people added: kept, changed, removed.  Their settings are checked before they come here."""

import logging
from collections.abc import Mapping
from typing import Any

from broker.services.context import Context
from broker.store import added_destinations as store
from broker.store.added_destinations import AddedDestination

__all__ = ["AddedDestination", "listed", "put", "remove"]

_log = logging.getLogger(__name__)


def listed(context: Context) -> list[AddedDestination]:
    """All of them, by name.  Raises Unavailable."""
    return context.database.read(store.listed)


def put(context: Context, name: str, settings: Mapping[str, Any], by: str) -> None:
    """Add a destination or change it."""
    added = AddedDestination(name, settings, by, context.clock())
    context.database.write(lambda c: store.put(c, added))
    _log.info("destination %s set by %s", name, by)


def remove(context: Context, name: str, by: str) -> bool:
    """Remove a destination; what waits for it stays in the outbox.  False when nobody added it."""
    gone = context.database.write(lambda c: store.remove(c, name))
    if gone:
        _log.info("destination %s removed by %s", name, by)
    return gone
