"""AMQP against real RabbitMQ servers, judged by a foreign client (pika): what arrives, and what each failure means."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pika.exceptions import AMQPError

from broker.delivery import cloud_event
from broker.delivery.amqp import AmqpConfig, AmqpDestination
from broker.delivery.amqp_link import Server
from broker.delivery.cloud_event import CONTENT_TYPE, EventStyle
from broker.delivery.hl7_check import sample
from broker.delivery.login import Login
from broker.delivery.signature import SecretSource
from broker.delivery.tls import TlsFiles
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
from tests.support.rabbitmq import RabbitServer, ThrowAwayRabbit
from tests.support.wait import until

pytestmark = pytest.mark.rabbitmq
STARTED, COMPLETED = FactKind.ORDER_STARTED, FactKind.ORDER_COMPLETED
SECRET = "Xyzzy-Geheim-42"
STYLE = EventStyle("Radiology")


class Place:
    """An exchange and a queue of this test's own, seen with the foreign client."""

    def __init__(self, rabbit: RabbitServer) -> None:
        self.exchange = self.queue = f"broker-test-{uuid4().hex}"
        self._connection = rabbit.connect()
        self.channel = self._connection.channel()

    def declare(self, **arguments: Any) -> None:
        self.channel.exchange_declare(self.exchange, "topic", durable=True)
        self.channel.queue_declare(self.queue, durable=True, arguments=arguments)

    def bind(self, key: str = "worklist.#") -> None:
        self.channel.queue_bind(self.queue, self.exchange, key)

    def got(self) -> list[tuple[Any, Any, bytes]]:
        """Everything in the queue: delivery, properties, body."""
        found = []
        while (message := self.channel.basic_get(self.queue, auto_ack=True))[0]:
            found.append(message)
        return found

    def remove(self) -> None:
        with suppress(AMQPError):
            self.channel.queue_delete(self.queue)
            self.channel.exchange_delete(self.exchange)
            self._connection.close()


@pytest.fixture
def ours(rabbit: RabbitServer) -> Iterator[Place]:
    found = Place(rabbit)
    yield found
    found.remove()


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUEST", "guest")
    monkeypatch.setenv("WRONG", SECRET)


@pytest.fixture
def context(sqlite_url: str) -> Iterator[Context]:
    with told(sqlite_url, "rabbit") as found:
        yield found


@pytest.fixture
def start(context: Context) -> Iterator[Start]:
    with starter(context) as found:
        yield found


def destination(port: int, exchange: str, *, binary: bool = False, **more: Any) -> AmqpDestination:
    login = Login("guest", SecretSource("GUEST"))
    server = Server("127.0.0.1", port, exchange=exchange, **{"login": login, "answer_timeout": 20.0, **more})
    return AmqpDestination(AmqpConfig("rabbit", server, "worklist.{event}.{modality}", binary, STYLE))


def deliver(port: int, exchange: str, **more: Any) -> Outcome:
    used = destination(port, exchange, **more)
    try:
        return used.deliver(sample())
    finally:
        used.close()


def test_an_event_arrives_as_a_persistent_message(
    rabbit: RabbitServer, ours: Place, context: Context, start: Start
) -> None:
    ours.declare()
    ours.bind()
    start(destination(rabbit.port, ours.exchange))
    happen(context, place(context, 1), STARTED, COMPLETED)
    wait_delivered(context, 2)
    completed, started = outbox.list_notifications(context)
    (delivery, properties, body), (_, second, _) = ours.got()
    assert delivery.routing_key == "worklist.order.started.CT"
    assert (properties.content_type, properties.delivery_mode) == (CONTENT_TYPE, 2)
    assert (properties.message_id, second.message_id) == (started.message_id, completed.message_id)
    assert (properties.type, properties.app_id) == ("worklist-broker.order.started", "worklist-broker")
    assert properties.timestamp == int(started.created_at.timestamp())
    assert json.loads(body) == cloud_event.document(started, STYLE)
    where = f"exchange {ours.exchange}, routing key worklist.order.started.CT"
    assert tries(context) == [("delivered", f"confirmed: {where}")]


def test_in_binary_mode_attributes_are_headers_and_the_body_is_the_data(rabbit: RabbitServer, ours: Place) -> None:
    ours.declare()
    ours.bind()
    assert deliver(rabbit.port, ours.exchange, binary=True).verdict is Verdict.DELIVERED
    ((_, properties, body),) = ours.got()
    event = cloud_event.document(sample(), STYLE)
    assert json.loads(body) == event.pop("data")
    assert properties.content_type == event.pop("datacontenttype") == "application/json"
    assert properties.headers == {f"cloudEvents:{name}": value for name, value in event.items()}


def test_a_missing_exchange_is_made_when_its_type_is_known(rabbit: RabbitServer, ours: Place) -> None:
    missing = deliver(rabbit.port, ours.exchange)
    assert missing.detail == f"404 NOT_FOUND - no exchange '{ours.exchange}' in vhost '/'"
    made = deliver(rabbit.port, ours.exchange, exchange_type="topic", mandatory=False)
    assert made.verdict is Verdict.DELIVERED
    ours.channel.exchange_declare(ours.exchange, "topic", passive=True)
    other = deliver(rabbit.port, ours.exchange, exchange_type="fanout")
    assert other.detail.startswith("406 PRECONDITION_FAILED - inequivalent arg 'type'")


def test_what_no_queue_takes_is_handed_back_and_arrives_once_one_is_bound(
    rabbit: RabbitServer, ours: Place, context: Context, start: Start
) -> None:
    ours.declare()
    start(destination(rabbit.port, ours.exchange))
    happen(context, place(context, 1), STARTED)
    result, words = wait_tried(context, 2)[0]
    key = f"exchange '{ours.exchange}' with routing key 'worklist.order.started.CT'"
    assert (result, words) == ("failed", f"handed back (312 NO_ROUTE): no queue is bound to {key}")
    ours.bind()
    wait_delivered(context, 1)
    assert len(ours.got()) == 1


def test_the_default_exchange_reaches_a_queue_by_its_name(rabbit: RabbitServer, ours: Place) -> None:
    refused = deliver(rabbit.port, "")
    assert refused.detail == "handed back (312 NO_ROUTE): there is no queue 'worklist.order.started.CT'"
    assert refused.reachable


def test_a_full_queue_refuses_and_the_connection_stays(rabbit: RabbitServer, ours: Place) -> None:
    ours.declare(**{"x-max-length": 1, "x-overflow": "reject-publish"})
    ours.bind()
    used = destination(rabbit.port, ours.exchange)
    assert used.deliver(sample()).verdict is Verdict.DELIVERED
    refused = used.deliver(sample())
    assert (refused.verdict, refused.reachable) == (Verdict.RETRY, True)
    assert refused.detail.startswith("refused (nack)")
    ours.got()
    assert used.deliver(sample()).verdict is Verdict.DELIVERED
    used.close()


WRONG, NOT_SET = (Login("guest", SecretSource(variable)) for variable in ("WRONG", "NOT_SET"))
REFUSED = [
    pytest.param({"login": WRONG}, "403 ACCESS_REFUSED - Login was refused", id="password"),
    pytest.param({"login": NOT_SET}, "variable NOT_SET holds no secret", id="no secret"),
    pytest.param({"login": Login()}, "Couldn't find appropriate auth mechanism (can offer: EXTERNAL;", id="nobody"),
    pytest.param({"virtual_host": "/nowhere"}, "530 NOT_ALLOWED - vhost /nowhere not found", id="virtual host"),
    pytest.param({"tls": TlsFiles()}, "", id="tls to a plain port"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "words"), REFUSED)
def test_what_is_wrong_with_the_settings_is_told_and_no_secret(
    rabbit: RabbitServer, wrong: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    outcome = deliver(rabbit.port, "amq.topic", **wrong)
    assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False)
    assert words in outcome.detail
    assert SECRET not in outcome.detail + caplog.text


def test_a_confirm_that_never_comes_is_a_repeat_with_the_same_id(
    rabbit: RabbitServer, ours: Place, context: Context, start: Start
) -> None:
    ours.declare()
    ours.bind()
    with Wire(rabbit.port) as wire:
        start(destination(wire.port, ours.exchange, answer_timeout=1.0))
        happen(context, place(context, 1), STARTED)
        wait_delivered(context, 1)
        wire.keep_answers_back()
        happen(context, place(context, 2), STARTED)
        until(lambda: wire.held, 30, "the server has confirmed to a deaf ear")
        waiting = outbox.list_notifications(context)[0].key
        until(lambda: outbox.attempts(context, waiting), 30, "the first try is over")
        wire.let_answers_through()
        wait_delivered(context, 2)
    words = [(a.result, a.detail) for a in outbox.attempts(context, waiting)]
    assert words[0] == ("failed", "time-out waiting for the confirm")
    ids = [properties.message_id for _, properties, _ in ours.got()]
    assert len(ids) >= 3
    assert len(set(ids)) == 2


@pytest.mark.parametrize("when", ["idle", "waiting"])
def test_a_connection_that_is_cut_is_made_anew(rabbit: RabbitServer, ours: Place, when: str) -> None:
    ours.declare()
    ours.bind()
    with Wire(rabbit.port) as wire:
        used = destination(wire.port, ours.exchange)
        assert used.deliver(sample()).verdict is Verdict.DELIVERED
        if when == "waiting":
            wire.keep_answers_back()
            outcome = _cut_while(wire, partial(used.deliver, sample()))
            assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False)
            assert outcome.detail in {"the server closed the connection", "Connection reset by peer", "Broken pipe"}
        else:
            wire.cut()
        again = used.deliver(sample())
        assert again.verdict is Verdict.DELIVERED, again.detail
        assert wire.connections == 2
        used.close()


def _cut_while(wire: Wire, work: Callable[[], Outcome]) -> Outcome:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        until(lambda: wire.held, 30, "an answer is on its way")
        wire.cut()
        wire.let_answers_through()
        return running.result(30)


def test_a_stop_interrupts_a_server_that_never_answers(
    rabbit: RabbitServer, ours: Place, context: Context, start: Start
) -> None:
    with Wire(rabbit.port) as wire:
        wire.keep_answers_back()
        sender = start(destination(wire.port, ours.exchange))
        happen(context, place(context, 1), STARTED)
        until(lambda: wire.held, 30, "the server has greeted")
        assert sender.stop(grace=0.05)
    assert outbox.list_notifications(context)[0].state is NotificationState.PENDING


#: HTTP; half a greeting; a frame of AMQP 0-9-1 whose method is cut short; nothing
STRANGERS = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 500, b"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce", b""]


@pytest.mark.parametrize("greeting", STRANGERS)
def test_another_program_at_the_address_is_no_fault_of_ours(greeting: bytes) -> None:
    with Stranger(greeting) as stranger:
        outcome = deliver(stranger.port, "x", connect_timeout=0.5, answer_timeout=0.5)
    assert (outcome.verdict, outcome.reachable) == (Verdict.RETRY, False)
    assert outcome.detail


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_server_of_our_own_with_tls_that_is_short_of_memory_and_restarts(tmp_path: Path) -> None:
    requirements.need("rabbitmq")
    make_certificates(tmp_path)
    files = {name: tmp_path / name for name in ("ca.pem", "localhost.pem", "localhost.key", "ct1.pem", "ct1.key")}
    settings = (
        f"ssl_options.cacertfile = {files['ca.pem']}", f"ssl_options.certfile = {files['localhost.pem']}",
        f"ssl_options.keyfile = {files['localhost.key']}", "ssl_options.verify = verify_peer",
        "auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = EXTERNAL", "ssl_cert_login_from = common_name",
    )  # fmt: skip
    with ThrowAwayRabbit(*settings, tls=True, plugins=("rabbitmq_auth_mechanism_ssl",), user="ct1") as server:
        common: dict[str, Any] = {"tls_hostname": "localhost", "login": Login(), "mandatory": False}
        card = TlsFiles(str(files["ca.pem"]), str(files["ct1.pem"]), str(files["ct1.key"]))
        ours = destination(server.tls_port, "amq.topic", tls=card, **common)
        assert ours.deliver(sample()).verdict is Verdict.DELIVERED
        stranger = deliver(server.tls_port, "amq.topic", tls=replace(card, ca=""), **common)
        assert stranger.detail.startswith("the receiver's certificate is not accepted: ")
        misnamed = deliver(server.tls_port, "amq.topic", tls=card, **{**common, "tls_hostname": "elsewhere"})
        assert misnamed.detail.startswith("the receiver's certificate is not accepted: Hostname mismatch")

        server.stop()
        away = ours.deliver(sample())
        assert (away.verdict, away.reachable, away.detail) == (Verdict.RETRY, False, "Connection refused")
        server.start("vm_memory_high_watermark.absolute = 1")
        ours.close()
        blocked = deliver(server.tls_port, "amq.topic", tls=card, **common, answer_timeout=2.0)
        words = "the server holds publishers back: connection blocked, see broker logs"
        assert blocked.detail == f"time-out waiting for the confirm; {words}"
