"""The MLLP server over real sockets: any split, hostile peers, limits, TLS, graceful stop."""

import asyncio
import socket
import ssl

import pytest

from hl7 import (
    AckCode,
    MllpServer,
    PeerInfo,
    ServerProblem,
    ServerProblemKind,
    acknowledge,
    frame,
    read_acknowledgement,
    read_header,
)
from hl7.peers import log_problem
from tests.integration.hl7.helpers import StartServer, connect, message
from tests.support.wait import until_async


async def read_answer(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(5):
        framed = await reader.readuntil(b"\x1c\r")
    assert framed[:1] == b"\x0b"
    return read_acknowledgement(framed[1:-2]).control_id


async def is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(5):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_every_split_of_a_frame_is_answered(start_server: StartServer) -> None:
    running = await start_server()
    raw = message("7")
    framed = frame(raw)
    reader, writer = await connect(running.port)
    for at in range(1, len(framed)):
        writer.write(framed[:at])
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(framed[at:])
        assert await read_answer(reader) == "7"
    writer.close()
    assert set(running.received) == {raw}
    assert len(running.received) == len(framed) - 1
    assert running.problems == []


async def test_byte_by_byte(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    for byte in frame(message("b")):
        writer.write(bytes([byte]))
        await writer.drain()
    assert await read_answer(reader) == "b"
    writer.close()


async def test_frames_in_one_packet_are_answered_in_order(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    writer.write(b"".join(frame(message(str(number))) for number in range(50)))
    assert [await read_answer(reader) for _ in range(50)] == [str(number) for number in range(50)]
    writer.close()


async def test_junk_is_skipped_and_reported(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    writer.write(b"GET / HTTP/1.1\r\n" + frame(message("1")) + b"\r\n" + frame(message("2")))
    assert [await read_answer(reader), await read_answer(reader)] == ["1", "2"]
    assert running.kinds == [ServerProblemKind.JUNK]
    assert running.problems[0].byte_count == 14
    writer.close()


async def test_an_unfinished_frame_is_dropped_when_another_begins_or_the_peer_goes(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    writer.write(b"\x0bMSH|half" + frame(message("2")) + b"\x0bMSH|other half")
    assert await read_answer(reader) == "2"
    writer.close()
    await until_async(lambda: len(running.problems) == 2)
    assert running.kinds == [ServerProblemKind.UNFINISHED] * 2
    assert running.received == [message("2")]


async def test_an_end_without_carriage_return_is_accepted_after_a_short_wait(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    writer.write(frame(message("3"))[:-1])
    assert await read_answer(reader) == "3"
    writer.write(b"\r" + frame(message("4")))
    assert await read_answer(reader) == "4"
    assert running.problems == []
    writer.close()


async def test_a_frame_of_50_mib_is_refused_and_others_are_served(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    chunk = b"x" * 1_048_576

    async def send_all() -> None:
        writer.write(b"\x0bMSH|")
        for _ in range(50):
            writer.write(chunk)
            await writer.drain()

    with pytest.raises(ConnectionError):
        await send_all()
    assert await is_closed(reader)
    await until_async(lambda: running.kinds == [ServerProblemKind.TOO_LARGE])
    other_reader, other = await connect(running.port)
    other.write(frame(message("5")))
    assert await read_answer(other_reader) == "5"
    other.close()


async def test_many_connections_at_once(start_server: StartServer) -> None:
    running = await start_server()

    async def exchange(number: int) -> str:
        reader, writer = await connect(running.port)
        answers = ""
        for _ in range(3):
            writer.write(frame(message(str(number))))
            answers = await read_answer(reader)
        writer.close()
        return answers

    assert await asyncio.gather(*map(exchange, range(200))) == [str(number) for number in range(200)]
    await until_async(lambda: running.server.connection_count == 0)
    assert len(running.received) == 600


async def test_connections_above_the_limit_are_closed_and_reported(start_server: StartServer) -> None:
    running = await start_server(max_connections=2)
    kept = [await connect(running.port) for _ in range(2)]
    await until_async(lambda: running.server.connection_count == 2)
    reader, writer = await connect(running.port)
    assert await is_closed(reader)
    assert running.kinds == [ServerProblemKind.TOO_MANY_CONNECTIONS]
    for kept_reader, kept_writer in kept:
        kept_writer.write(frame(message("k")))
        assert await read_answer(kept_reader) == "k"
        kept_writer.close()
    writer.close()


async def test_messages_of_one_connection_never_overlap(start_server: StartServer) -> None:
    active, most = 0, 0

    async def slow(payload: bytes, peer: PeerInfo) -> bytes:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.001)
        active -= 1
        return acknowledge(read_header(payload), AckCode.AA)

    running = await start_server(slow)
    reader, writer = await connect(running.port)
    writer.write(frame(message()) * 20)
    for _ in range(20):
        await read_answer(reader)
    assert most == 1
    writer.close()


async def test_no_answer_closes_the_connection(start_server: StartServer) -> None:
    async def silent(payload: bytes, peer: PeerInfo) -> None:
        return None

    running = await start_server(silent)
    reader, writer = await connect(running.port)
    writer.write(frame(message()))
    assert await is_closed(reader)
    assert running.problems == []
    writer.close()


@pytest.mark.parametrize("answer", [RuntimeError("no"), OSError("disk"), b"\x0bunframable"])
async def test_a_failing_handler_is_reported_and_leaves_the_message_unanswered(
    start_server: StartServer, answer: Exception | bytes
) -> None:
    async def failing(payload: bytes, peer: PeerInfo) -> bytes:
        if isinstance(answer, Exception):
            raise answer
        return answer

    running = await start_server(failing)
    reader, writer = await connect(running.port)
    writer.write(frame(message()))
    assert await is_closed(reader)
    assert running.kinds == [ServerProblemKind.HANDLER_FAILED]
    assert isinstance(running.problems[0].error, Exception)
    writer.close()


async def test_an_idle_connection_is_closed_when_a_limit_is_set(start_server: StartServer) -> None:
    running = await start_server(idle_timeout=0.1)
    reader, writer = await connect(running.port)
    assert await is_closed(reader)
    assert running.kinds == [ServerProblemKind.IDLE]
    writer.close()


async def test_a_reset_connection_is_reported(start_server: StartServer) -> None:
    entered = asyncio.Event()
    release = asyncio.Event()

    async def waiting(payload: bytes, peer: PeerInfo) -> bytes:
        entered.set()
        await release.wait()
        return b"MSH|" + b"x" * 1_000_000

    running = await start_server(waiting)
    _, writer = await connect(running.port)
    writer.write(frame(message()) * 3)
    await entered.wait()
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()
    release.set()
    await until_async(lambda: ServerProblemKind.LOST in running.kinds)
    await until_async(lambda: running.server.connection_count == 0)


async def test_the_peer_is_known(start_server: StartServer) -> None:
    running = await start_server()
    reader, writer = await connect(running.port)
    writer.write(frame(message()))
    await read_answer(reader)
    peer = running.peers[0]
    assert (peer.host, peer.port) == writer.get_extra_info("sockname")
    assert peer.local_port == running.port
    assert str(peer) == f"127.0.0.1:{peer.port}"
    assert peer.certificate == {}
    writer.close()


async def test_tls(start_server: StartServer, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    running = await start_server(ssl_context=server_tls)
    reader, writer = await connect(running.port, client_tls)
    writer.write(frame(message("t")))
    assert await read_answer(reader) == "t"
    writer.close()
    await writer.wait_closed()


async def test_stop_finishes_the_message_in_hand_and_takes_no_more(start_server: StartServer) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def waiting(payload: bytes, peer: PeerInfo) -> bytes:
        entered.set()
        await release.wait()
        return acknowledge(read_header(payload), AckCode.AA)

    running = await start_server(waiting)
    port = running.port
    idle_reader, idle = await connect(port)
    reader, writer = await connect(port)
    writer.write(frame(message("1")) + frame(message("2")))
    await entered.wait()
    stopping = asyncio.create_task(running.server.stop(grace=5))
    assert await is_closed(idle_reader)
    with pytest.raises(OSError, match="Connect"):
        await connect(port)
    assert not stopping.done()
    release.set()
    assert await read_answer(reader) == "1"
    assert await is_closed(reader)
    await stopping
    assert running.problems == []
    with pytest.raises(RuntimeError, match="not listening"):
        assert running.port
    idle.close()
    writer.close()


async def test_stop_gives_up_after_the_grace_time(start_server: StartServer) -> None:
    entered = asyncio.Event()

    async def stuck(payload: bytes, peer: PeerInfo) -> bytes:
        entered.set()
        await asyncio.Event().wait()
        return b""

    running = await start_server(stuck)
    reader, writer = await connect(running.port)
    writer.write(frame(message()))
    await entered.wait()
    await running.server.stop(grace=0.05)
    assert running.kinds == [ServerProblemKind.STOPPED]
    assert await is_closed(reader)
    writer.close()


async def test_two_servers_share_a_port_when_told_to(start_server: StartServer) -> None:
    first = await start_server(reuse_port=True)
    second = MllpServer("127.0.0.1", first.port, first.accept, reuse_port=True)
    await second.start()
    assert second.port == first.port
    await first.server.stop()
    reader, writer = await connect(second.port)
    writer.write(frame(message("s")))
    assert await read_answer(reader) == "s"
    writer.close()
    await second.stop()


def test_problems_are_logged_without_content(caplog: pytest.LogCaptureFixture) -> None:
    problem = ServerProblem(ServerProblemKind.HANDLER_FAILED, PeerInfo("10.0.0.1", 5, 2575), 9, ValueError("MEIER"))
    log_problem(problem)
    assert "10.0.0.1:5: handler failed (9 bytes, cause: ValueError)" in caplog.text
    assert "MEIER" not in caplog.text
