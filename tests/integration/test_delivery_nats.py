"""NATS against real servers with JetStream: what streams hold, and what each failure means."""

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from broker.delivery import cloud_event
from broker.delivery.cloud_event import CONTENT_TYPE, EventStyle
from broker.delivery.hl7_check import sample
from broker.delivery.login import Login
from broker.delivery.nats import NatsConfig, NatsDestination
from broker.delivery.nats_link import Server
from broker.delivery.signature import SecretSource
from broker.delivery.tls import TlsFiles, client_context
from broker.domain.model import FactKind
from broker.domain.notifications import NotificationState, Outcome, Verdict
from broker.services import outbox
from broker.services.context import Context
from tests.peers.orders import happen, place
from tests.peers.sending import Start, starter, told, tries, wait_delivered, wait_tried
from tests.peers.stranger import Stranger
from tests.peers.wire import Wire
from tests.support import requirements
from tests.support.certificates import make_certificates
from tests.support.nats import ThrowAwayNats
from tests.support.nats_accounts import make_accounts
from tests.support.wait import until

pytestmark = pytest.mark.nats
T = TypeVar("T")
STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
SECRET = "Xyzzy-Geheim-42"
STYLE = EventStyle("Radiology")
#: errors are judged where we wait for them
QUIET: dict[str, Any] = {"allow_reconnect": False, "max_reconnect_attempts": 1}


def ask(url: str, work: Callable[[Client], Coroutine[Any, Any, T]], **options: Any) -> T:
    """What `work` answers over a connection of its own."""

    async def talk() -> T:
        client = Client()
        await client.connect(url, **QUIET, **options)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(talk())


class Stream:
    """A stream of this test's own, for subjects that begin with its name."""

    def __init__(self, url: str) -> None:
        self.name, self._url = f"T{uuid4().hex}", url

    def make(self) -> None:
        ask(self._url, lambda c: c.jetstream().add_stream(name=self.name, subjects=[f"{self.name}.>"]))

    def messages(self) -> list[RawStreamMsg]:
        async def read(client: Client) -> list[RawStreamMsg]:
            jetstream = client.jetstream()
            last = (await jetstream.stream_info(self.name)).state.last_seq
            return [await jetstream.get_msg(self.name, number) for number in range(1, last + 1)]

        return ask(self._url, read)

    def remove(self) -> None:
        async def delete(client: Client) -> None:
            jetstream = client.jetstream()
            if self.name in [info.config.name for info in await jetstream.streams_info()]:
                await jetstream.delete_stream(self.name)

        ask(self._url, delete)


@pytest.fixture
def ours(nats_url: str) -> Iterator[Stream]:
    found = Stream(nats_url)
    yield found
    found.remove()


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHT", "right")
    monkeypatch.setenv("WRONG", SECRET)


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    with told(sqlite_url, "stream") as found:
        yield found


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with starter(context) as found:
        yield found


def destination(url: str, prefix: str = "worklist", **more: Any) -> NatsDestination:
    server = Server("127.0.0.1", int(url.rpartition(":")[2]), **{"answer_timeout": 20.0, **more})
    return NatsDestination(NatsConfig("stream", server, f"{prefix}.{{event}}.{{modality}}", STYLE))


def deliver(url: str, prefix: str = "worklist", **more: Any) -> Outcome:
    used = destination(url, prefix, **more)
    try:
        return used.deliver(sample())
    finally:
        used.close()


def test_an_event_is_stored_and_the_stream_stands_in_the_receipt(
    nats_url: str, ours: Stream, context: Context, start: Start
) -> None:
    ours.make()
    start(destination(nats_url, ours.name))
    happen(context, place(context, 1), STARTED, COMPLETED)
    wait_delivered(context, 2)
    first, second = ours.messages()
    completed, started = outbox.list_notifications(context)
    assert (first.subject, second.subject) == (
        f"{ours.name}.order.started.CT", f"{ours.name}.order.completed.CT",
    )  # fmt: skip
    assert json.loads(first.data or b"") == cloud_event.document(started, STYLE)
    assert first.headers == {"Nats-Msg-Id": started.message_id, "Content-Type": CONTENT_TYPE}
    assert (second.headers or {})["Nats-Msg-Id"] == completed.message_id
    assert tries(context) == [("delivered", f"stream {ours.name}, sequence 1")]


def test_the_same_event_twice_is_stored_once(nats_url: str, ours: Stream) -> None:
    ours.make()
    assert deliver(nats_url, ours.name).detail == f"stream {ours.name}, sequence 1"
    assert deliver(nats_url, ours.name).detail == f"stream {ours.name}, sequence 1 (it had it already)"
    assert len(ours.messages()) == 1


def test_without_a_stream_it_waits_until_there_is_one(
    nats_url: str, ours: Stream, context: Context, start: Start
) -> None:
    start(destination(nats_url, ours.name))
    happen(context, place(context, 1), STARTED)
    subject = f"{ours.name}.order.started.CT"
    words = f"no stream takes subject '{subject}' (503 no responders): add it to a stream's subjects"
    assert wait_tried(context, 2)[0] == ("failed", words)
    ours.make()
    wait_delivered(context, 1)


def test_another_stream_than_the_one_meant_is_no_receipt(nats_url: str, ours: Stream) -> None:
    ours.make()
    outcome = deliver(nats_url, ours.name, stream="ANOTHER")
    assert (outcome.verdict, outcome.detail) == (
        Verdict.RETRY, "400 expected stream does not match (JetStream error 10060)",
    )  # fmt: skip


def test_an_answer_of_somebody_else_is_no_receipt(nats_url: str) -> None:
    prefix = f"T{uuid4().hex}"

    async def talk() -> Outcome:
        client = Client()
        await client.connect(nats_url, **QUIET)

        async def answer(message: Msg) -> None:
            await message.respond(b'{"ok": true}')

        await client.subscribe(f"{prefix}.>", cb=answer)
        await client.flush()
        found = await asyncio.to_thread(deliver, nats_url, prefix)
        await client.close()
        return found

    outcome = asyncio.run(talk())
    assert outcome.verdict is Verdict.RETRY
    assert outcome.detail.startswith("the answer is no acknowledgement of a stream")


def test_an_acknowledgement_that_never_comes_is_a_repeat_that_the_stream_recognises(
    nats_url: str, ours: Stream, context: Context, start: Start
) -> None:
    ours.make()
    with Wire(int(nats_url.rpartition(":")[2])) as wire:
        start(destination(f"nats://127.0.0.1:{wire.port}", ours.name, answer_timeout=1.0))
        happen(context, place(context, 1), STARTED)
        wait_delivered(context, 1)
        wire.keep_answers_back()
        happen(context, place(context, 2), STARTED)
        until(lambda: wire.held, 30, "the stream has answered a deaf ear")
        waiting = outbox.list_notifications(context)[0].key
        until(lambda: outbox.attempts(context, waiting), 30, "the first try is over")
        wire.let_answers_through()
        wait_delivered(context, 2)
    words = [(a.result, a.detail) for a in outbox.attempts(context, waiting)]
    assert words[0] == ("failed", "time-out waiting for the stream")
    assert words[-1] == ("delivered", f"stream {ours.name}, sequence 2 (it had it already)")
    assert len(ours.messages()) == 2


@pytest.mark.parametrize("when", ["idle", "waiting"])
def test_a_connection_that_is_cut_is_made_anew(nats_url: str, ours: Stream, when: str) -> None:
    ours.make()
    with Wire(int(nats_url.rpartition(":")[2])) as wire:
        used = destination(f"nats://127.0.0.1:{wire.port}", ours.name)
        assert used.deliver(sample()).verdict is Verdict.DELIVERED
        if when == "waiting":
            wire.keep_answers_back()
            outcome = _cut_while(wire, partial(used.deliver, sample()))
            assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False), outcome.detail
        else:
            wire.cut()
        # a cut that the library has not noticed yet costs one try
        last = until(lambda: _delivered(used), 30, "delivered over a new connection")
        assert last is not None
        assert last.detail.endswith("(it had it already)")
        used.close()


def _delivered(used: NatsDestination) -> Outcome | None:
    outcome = used.deliver(sample())
    return outcome if outcome.verdict is Verdict.DELIVERED else None


def _cut_while(wire: Wire, work: Callable[[], Outcome]) -> Outcome:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        until(lambda: wire.held, 30, "an answer is on its way")
        wire.cut()
        wire.let_answers_through()
        return running.result(30)


def test_a_server_that_restarts_keeps_its_streams_and_gets_the_rest(context: Context, start: Start) -> None:
    requirements.need("nats")
    with ThrowAwayNats() as server:
        ours = Stream(server.url)
        ours.make()
        start(destination(server.url, ours.name))
        happen(context, place(context, 1), STARTED)
        wait_delivered(context, 1)
        server.stop()
        happen(context, place(context, 2), STARTED)
        second = outbox.list_notifications(context)[0].key
        until(lambda: outbox.attempts(context, second), 30, "tried while it is away")
        server.start()
        wait_delivered(context, 2)
        assert outbox.attempts(context, second)[0].detail == "Connection refused"
        assert len(ours.messages()) == 2


BAD_CREDENTIALS = {
    "": "holds no JWT and seed",
    "-----BEGIN NATS USER JWT-----\nx\n": "holds no JWT and seed",
    "-----BEGIN NATS USER JWT-----\nx\n-----BEGIN USER NKEY SEED-----\nSUAGEHEIM\n": "the seed in it is damaged",
}


def test_logging_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    requirements.need("nats")
    caplog.set_level("DEBUG")
    right, wrong = Login("u", SecretSource("RIGHT")), Login("u", SecretSource("WRONG"))
    with ThrowAwayNats("authorization { user: u, password: right }", "max_payload: 100") as server:
        large = deliver(server.url, login=right)
        assert (large.verdict, large.reachable) == (Verdict.PARK, True)
        assert large.detail == "the server does not take messages as large as this (max_payload)"
        for login in (wrong, Login()):
            outcome = deliver(server.url, login=login)
            assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False)
            assert outcome.detail == "Authorization Violation"
    with ThrowAwayNats("authorization { token: right }") as server:
        assert "no stream takes" in deliver(server.url, login=Login("", SecretSource("RIGHT"))).detail
        assert deliver(server.url, login=Login("", SecretSource("WRONG"))).detail == "Authorization Violation"
        missing = deliver(server.url, login=Login("", SecretSource("NOT_SET")))
        assert missing.detail == "the environment variable NOT_SET holds no secret"
    credentials, settings = make_accounts(tmp_path)
    with ThrowAwayNats(*settings) as server:
        ask(server.url, _make_worklist, user_credentials=str(credentials))
        outcome = deliver(server.url, credentials_file=str(credentials))
        assert outcome.detail == "stream WORKLIST, sequence 1"
        assert deliver(server.url).detail == "Authorization Violation"
        for content, words in BAD_CREDENTIALS.items():
            wrong_file = tmp_path / "wrong.creds"
            wrong_file.write_text(content, encoding="ascii")
            found = deliver(server.url, credentials_file=str(wrong_file))
            assert (found.verdict, found.reachable) == (Verdict.RETRY, False)
            assert words in found.detail
        assert "cannot be read" in deliver(server.url, credentials_file=str(tmp_path / "none")).detail
    assert SECRET not in caplog.text
    assert "SUAGEHEIM" not in caplog.text


async def _make_worklist(client: Client) -> None:
    await client.jetstream().add_stream(name="WORKLIST", subjects=["worklist.>"])


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {nope\r\n", b""])
def test_another_program_at_the_address_is_no_fault_of_ours(greeting: bytes) -> None:
    with Stranger(greeting) as stranger:
        outcome = deliver(f"nats://127.0.0.1:{stranger.port}", connect_timeout=0.5)
    assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False)
    assert outcome.detail


def test_tls_is_verified_and_our_certificate_is_shown(tmp_path: Path) -> None:
    requirements.need("nats")
    make_certificates(tmp_path)
    names = {"cert_file": "localhost.pem", "key_file": "localhost.key", "ca_file": "ca.pem"}
    files = ", ".join(f'{key}: "{tmp_path / name}"' for key, name in names.items())
    card = client_context(TlsFiles(*(str(tmp_path / name) for name in ("ca.pem", "ct1.pem", "ct1.key"))))
    with ThrowAwayNats(f"tls {{ {files}, verify: true }}") as server:
        assert "no stream takes" in deliver(server.url, ssl_context=card, tls_hostname="localhost").detail
        misnamed = deliver(server.url, ssl_context=card, tls_hostname="elsewhere")
        assert misnamed.detail.startswith("the receiver's certificate is not accepted: Hostname mismatch")
        stranger = deliver(server.url, ssl_context=ssl.create_default_context(), tls_hostname="localhost")
        assert stranger.detail.startswith("the receiver's certificate is not accepted: ")
        plain = deliver(server.url)
        assert (plain.verdict, plain.reachable) == (Verdict.RETRY, False)


def test_a_stop_interrupts_a_server_that_never_answers(
    nats_url: str, ours: Stream, context: Context, start: Start
) -> None:
    ours.make()
    with Wire(int(nats_url.rpartition(":")[2])) as wire:
        wire.keep_answers_back()
        sender = start(destination(f"nats://127.0.0.1:{wire.port}", ours.name))
        happen(context, place(context, 1), STARTED)
        until(lambda: wire.held, 30, "the server has greeted")
        assert sender.stop(grace=0.05)
    assert outbox.list_notifications(context)[0].state is NotificationState.PENDING
