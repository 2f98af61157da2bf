"""Owns: python-hl7's asyncio server as a peer that parses, acknowledges and keeps nothing. Must not: use our own code.

Run by the Python of its own environment (it calls its package `hl7`, as we do), with the port file as its argument.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from hl7.mllp import start_hl7_server  # type: ignore[import-not-found, unused-ignore]


async def converse(reader: Any, writer: Any) -> None:
    """One connection."""
    try:
        while not writer.is_closing():
            writer.writemessage((await reader.readmessage()).create_ack())
            await writer.drain()
    except asyncio.IncompleteReadError:
        writer.close()  # the sender is done


def tell(port_file: str, port: int) -> None:
    """The port is written whole, so that who waits for the file can read it."""
    partial = Path(port_file + ".part")
    partial.write_text(str(port))
    partial.replace(port_file)


async def main(port_file: str) -> None:
    """Serve until killed."""
    server = await start_hl7_server(converse, "127.0.0.1", 0, encoding="utf-8")
    tell(port_file, server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
