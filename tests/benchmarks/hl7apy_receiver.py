"""Owns: hl7apy's own MLLPServer as a peer: `python -m tests.benchmarks.hl7apy_receiver PORT_FILE trivial|parse`.
Must not: use our own code.
"""

import sys
from pathlib import Path
from typing import Any

from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message


class Trivial(AbstractHandler):  # type: ignore[misc]
    """Answers without looking further than the control id."""

    def reply(self) -> str:
        control_id = self.incoming_message.split("|", 10)[9]
        return f"\x0bMSH|^~\\&|A|B|C|D|20260101||ACK|1|P|2.5.1\rMSA|AA|{control_id}\r\x1c\r"


class Parse(Trivial):
    """Parses the whole message first."""

    def reply(self) -> str:
        parse_message(self.incoming_message, find_groups=False)
        return super().reply()


def main(port_file: str, mode: str) -> None:
    """Serve until killed; the port is written whole, so that who waits for the file can read it."""
    handlers: dict[str, Any] = {"OMI^O23^OMI_O23": (Parse if mode == "parse" else Trivial,)}
    server = MLLPServer("127.0.0.1", 0, handlers)
    partial = Path(port_file + ".part")
    partial.write_text(str(server.server_address[1]))
    partial.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
