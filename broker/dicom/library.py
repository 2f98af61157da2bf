"""pynetdicom and pydicom, made safe for patient data once per process.

Owns the libraries' global switches.  Must not hold anything else: every module that uses pynetdicom calls ``prepare``.
"""

import contextlib
import logging
import socket

from pydicom import config
from pynetdicom import _config
from pynetdicom.transport import AssociationSocket


def prepare() -> None:
    """Keeps identifiers and requests out of the libraries' logs, and saves the time they cost.  Idempotent."""
    mend_sockets()
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    # they quote values, and pynetdicom writes a traceback for each odd byte of a peer; our own code checks and reports
    # what matters
    for name in ("pydicom", "pynetdicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config.settings.reading_validation_mode = config.IGNORE
    config.settings.writing_validation_mode = config.IGNORE


def mend_sockets() -> None:
    """Lets pynetdicom close each socket, also one that its peer has reset.  Idempotent.

    Its own way shuts a socket down first and never comes to closing it when that fails: the descriptor stays open until
    the collector finds it.
    """
    AssociationSocket._shutdown_socket = _close  # type: ignore[method-assign, assignment]


def _close(transport: AssociationSocket) -> None:
    opened = transport.socket
    if opened is None:
        return
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        opened.close()
