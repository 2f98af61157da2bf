# mypy: ignore-errors
"""An MLLP receiver made of python-hl7, for its own environment: `hl7` here is not our package of that name.

python_hl7_receiver.py PORT_FILE MESSAGES: listens on a free port, writes its number to PORT_FILE, answers AA to every
message and appends its fields to MESSAGES, one JSON object a line.
"""

import asyncio
import json
import sys
from pathlib import Path

import hl7.mllp


def fields(message: "hl7.Message") -> dict[str, list[str]]:
    """The fields of the first segment of each name; [0] is the name."""
    found: dict[str, list[str]] = {}
    for segment in message:
        found.setdefault(str(segment[0]), [str(field) for field in segment])
    return found


async def main(port_file: Path, messages: Path) -> None:
    """Listens until the process is ended."""

    async def converse(reader: "hl7.mllp.HL7StreamReader", writer: "hl7.mllp.HL7StreamWriter") -> None:
        try:
            while True:
                message = await reader.readmessage()
                with messages.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(fields(message)) + "\n")
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await hl7.mllp.start_hl7_server(converse, "127.0.0.1", 0, encoding="utf-8")
    fresh = port_file.with_suffix(".new")
    fresh.write_text(str(server.sockets[0].getsockname()[1]))
    fresh.replace(port_file)
    async with server:
        await server.serve_forever()


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
