"""Owns: a load of order messages over MLLP, in a process of its own: `python -m tests.benchmarks.mllp_load PORT COUNT
CONNECTIONS FIRST [--reconnect]`; prints messages per second. Must not: use our own HL7 library.

Each connection has one message in flight. Exit code 1 when an answer is not AA.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

from tests.peers.order_messages import omi

START, END = b"\x0b", b"\x1c\r"


async def main(port: int, count: int, connections: int, first: int, *, reconnect: bool) -> float:
    """Messages per second."""
    frames = iter([START + omi(number) + END for number in range(first, first + count)])
    began = time.perf_counter()
    await asyncio.gather(*(_connection(port, frames, reconnect=reconnect) for _ in range(connections)))
    return count / (time.perf_counter() - began)


async def _connection(port: int, frames: Iterator[bytes], *, reconnect: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for frame in frames:
        if writer.is_closing():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(frame)
        answer = await reader.readuntil(END)
        if b"|AA|" not in answer:
            sys.exit(f"not accepted: {answer!r}")
        if reconnect:
            writer.close()
    writer.close()


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:5]]
    sys.stdout.write(f"{asyncio.run(main(*numbers, reconnect='--reconnect' in sys.argv))}\n")
