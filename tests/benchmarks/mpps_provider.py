"""Owns: the plainest MPPS SCP on pynetdicom as a peer: `python -m tests.benchmarks.mpps_provider PORT_FILE`. It answers
Success, remembers data sets in memory and stores nothing. Must not: use our own code.
"""

import socket
import sys
import threading
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, _config, evt

MPPS = "1.2.840.10008.3.1.2.3.3"


def main(port_file: str) -> None:
    """Serve until killed."""
    _config.LOG_HANDLER_LEVEL = "none"
    known: dict[str, Dataset] = {}

    def opened(event: Any) -> None:
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def create(event: Any) -> tuple[int, None]:
        known[event.request.AffectedSOPInstanceUID] = event.attribute_list
        return 0, None

    def update(event: Any) -> tuple[int, None]:
        known[event.request.RequestedSOPInstanceUID].update(event.modification_list)
        return 0, None

    entity = AE("BROKER")
    entity.maximum_associations = 1000
    entity.add_supported_context(MPPS)
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, opened), (evt.EVT_N_CREATE, create), (evt.EVT_N_SET, update)]
    server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    partial = Path(port_file + ".part")
    partial.write_text(str(server.socket.getsockname()[1]))
    partial.replace(port_file)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1])
