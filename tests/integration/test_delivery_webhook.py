"""Webhooks against real HTTP receivers, good and bad: what is posted, what each answer means."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.delivery.base import RetryPlan
from broker.delivery.cloud_event import EventStyle
from broker.delivery.http import Target
from broker.delivery.sender import Sender, SenderConfig
from broker.delivery.signature import SecretSource
from broker.delivery.tls import TlsFiles, client_context
from broker.delivery.webhook import WebhookConfig, WebhookDestination
from broker.domain.model import FactKind
from broker.domain.notifications import Holding, NotificationState
from broker.services import destinations, outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.peers import http_receiver as peer
from tests.peers.http_receiver import HttpReceiver, Say
from tests.peers.orders import happen, make_context, place
from tests.support.certificates import self_signed
from tests.support.wait import until

STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
KEY = b"k" * 32
Start = Callable[..., Sender]


@pytest.fixture
def context(database_url: str) -> Iterator[Context]:
    database = Database(database_url)
    yield make_context(database, "hook", clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    database.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("whsec_" + base64.b64encode(KEY).decode(), encoding="ascii")
    return file


@pytest.fixture
def start(context: Context, secret: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start_sender(url: str, tls: ssl.SSLContext | None = None, allow_private: bool = True) -> Sender:
            target = Target(url, allow_private, tls, connect_timeout=1, deadline=0.5)
            config = WebhookConfig("hook", target, SecretSource(file=str(secret)), EventStyle("Radiology"))
            sender = Sender(context, [WebhookDestination(config)], SenderConfig("one", QUICK, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start_sender


def delivered(context: Context, count: int) -> Callable[[], bool]:
    def reached() -> bool:
        states = [e.state for e in outbox.list_notifications(context)]
        return states.count(NotificationState.DELIVERED) == count

    return reached


def tries(context: Context) -> list[tuple[str, str]]:
    first = outbox.list_notifications(context)[-1]
    return [(a.result, a.detail) for a in outbox.attempts(context, first.key)]


def test_an_event_is_posted_and_its_signature_can_be_checked(context: Context, start: Start) -> None:
    with HttpReceiver() as receiver:
        start(f"http://127.0.0.1:{receiver.port}/hooks?site=1")
        happen(context, place(context, 1), STARTED)
        until(delivered(context, 1))
    (posted,) = receiver.received
    (entry,) = outbox.list_notifications(context)
    assert posted.path == "/hooks?site=1"
    assert posted.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert posted.headers["webhook-id"] == entry.message_id == json.loads(posted.body)["id"]
    signed = f"{entry.message_id}.{posted.headers['webhook-timestamp']}.".encode() + posted.body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert posted.headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(posted.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert tries(context) == [("delivered", "HTTP 204 No Content")]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Say(500, body=b"broken"), "HTTP 500 Internal Server Error broken"),
        (Say(404), "HTTP 404"),
        (Say(429, {"Retry-After": "0"}), "HTTP 429"),
        (Say(503), "HTTP 503"),
        (Say(302, {"Location": "/elsewhere"}), "HTTP 302 Found: redirects are not followed"),
        (Say(307, {"Location": "/elsewhere"}), "HTTP 307 Temporary Redirect: redirects are not followed"),
        (peer.SILENT, "time-out"),
        (peer.HANG_UP, "the answer was cut short"),
        (peer.HALF, "the answer was cut short"),
    ],
    ids=["500", "404", "429", "503", "302", "307", "silent", "hang up", "half an answer"],
)
def test_what_is_not_accepted_is_posted_again_with_the_same_id(
    context: Context, start: Start, bad: Say, words: str
) -> None:
    with HttpReceiver([bad, bad]) as receiver:
        start(f"http://127.0.0.1:{receiver.port}/")
        happen(context, place(context, 1), STARTED, COMPLETED)
        until(delivered(context, 2))
    ids = [posted.headers["webhook-id"] for posted in receiver.received]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert len({posted.body for posted in receiver.received[:3]}) == 1
    assert {posted.path for posted in receiver.received} == {"/"}
    assert [result for result, _ in tries(context)] == ["failed", "failed", "delivered"]
    assert tries(context)[0][1].startswith(words)


def test_a_receiver_that_asks_for_patience_gets_it(context: Context, start: Start) -> None:
    with HttpReceiver([Say(429, {"Retry-After": "1"})]) as receiver:
        start(f"http://127.0.0.1:{receiver.port}/")
        happen(context, place(context, 1), STARTED)
        happen(context, place(context, 2), STARTED)
        until(delivered(context, 2), timeout=10)
    first, last = outbox.attempts(context, outbox.list_notifications(context)[-1].key)
    assert (last.at - first.at).total_seconds() >= 0.95


def test_a_receiver_that_is_gone_is_held_until_somebody_resumes_it(context: Context, start: Start) -> None:
    with HttpReceiver([Say(410)]) as receiver:
        sender = start(f"http://127.0.0.1:{receiver.port}/")
        happen(context, place(context, 1), STARTED, COMPLETED)
        hold = until(lambda: destinations.statuses(context)[0].hold)
        assert hold is not None
        assert (hold.how, hold.after_entry) == (Holding.DISABLED, 0)
        sender.stop()
        assert len(receiver.received) == 1
        assert destinations.resume(context, "hook")
        start(f"http://127.0.0.1:{receiver.port}/")
        until(delivered(context, 2))
    assert len(receiver.received) == 3


def test_private_addresses_are_refused_unless_allowed(context: Context, start: Start) -> None:
    with HttpReceiver() as receiver:
        start(f"http://127.0.0.1:{receiver.port}/", allow_private=False)
        happen(context, place(context, 1), STARTED)
        until(lambda: outbox.list_notifications(context)[0].attempts)
    assert receiver.received == []
    assert "not of the public Internet" in tries(context)[0][1]


def test_tls_is_verified(context: Context, start: Start, tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    trusting = client_context(TlsFiles(str(made.certificate)))
    with HttpReceiver(context=made.server_context()) as receiver:
        url = f"https://localhost:{receiver.port}/"
        happen(context, place(context, 1), STARTED)
        sender = start(url)
        until(lambda: outbox.list_notifications(context)[0].attempts)
        sender.stop()
        assert tries(context)[0][1].startswith("the receiver's certificate is not accepted: self")
        assert receiver.received == []
        start(url, trusting)
        until(delivered(context, 1))
    assert len(receiver.received) == 1


def test_without_a_secret_nothing_is_sent(context: Context, start: Start, secret: Path) -> None:
    secret.unlink()
    with HttpReceiver() as receiver:
        start(f"http://127.0.0.1:{receiver.port}/")
        happen(context, place(context, 1), STARTED)
        until(lambda: outbox.list_notifications(context)[0].attempts)
        assert receiver.received == []
        secret.write_text("whsec_" + base64.b64encode(KEY).decode(), encoding="ascii")
        until(delivered(context, 1))


def test_a_stop_interrupts_a_receiver_that_never_answers(context: Context, start: Start) -> None:
    with HttpReceiver(after=peer.SILENT) as receiver:
        sender = start(f"http://127.0.0.1:{receiver.port}/")
        happen(context, place(context, 1), STARTED)
        until(lambda: receiver.received)
        assert sender.stop(grace=0.05)
