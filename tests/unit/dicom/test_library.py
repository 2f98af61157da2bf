"""Switches of the DICOM libraries: sockets are closed whatever their peer has done."""

import socket
import struct
from types import SimpleNamespace
from typing import Any

import pytest
from pynetdicom.transport import AssociationSocket

from broker.dicom import library

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: the connection is reset when it is closed."""


@pytest.mark.parametrize("reset", [False, True])
def test_a_socket_is_closed_also_when_its_peer_has_reset_it(reset: bool) -> None:
    library.prepare()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    if reset:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        theirs.close()
        with pytest.raises(ConnectionResetError):
            ours.recv(1)
    transport: Any = SimpleNamespace(socket=ours)
    AssociationSocket._shutdown_socket(transport)
    assert ours.fileno() == -1
    theirs.close()
