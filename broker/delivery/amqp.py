"""AMQP destination: events published to an exchange of a RabbitMQ server; its confirm is the receipt.

Owns how a CloudEvents document becomes an AMQP message (CloudEvents AMQP Protocol Binding 1.0.2; what it calls
application properties are the headers of AMQP 0-9-1).  Must not retry, wait or touch the database: the sender does.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from broker.delivery import cloud_event, extras
from broker.delivery.amqp_link import AmqpLink, Message, NotConfirmed, Server
from broker.delivery.base import CannotRender
from broker.delivery.cloud_event import CONTENT_TYPE, EventStyle
from broker.delivery.signature import SecretError
from broker.domain import routing
from broker.domain.notifications import Notification, Outcome, Verdict

#: a queue of a durable kind keeps the message on disk (AMQP 0-9-1 basic.delivery-mode)
_PERSISTENT = 2
_PREFIX = "cloudEvents:"


@dataclass(frozen=True, slots=True)
class AmqpConfig:
    """Where and how; ``binary`` puts the event's attributes into headers and only its data into the body."""

    name: str
    server: Server
    routing_key: str = "worklist.{event}"
    binary: bool = False
    style: EventStyle = field(default_factory=lambda: EventStyle(""))


class AmqpDestination:
    """A ``Destination`` that publishes to an exchange."""

    def __init__(self, config: AmqpConfig) -> None:
        self._config = config
        self._link = AmqpLink(config.server)

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._config.name

    @property
    def patience(self) -> float:
        """Connecting and the confirm, seconds."""
        return self._config.server.patience

    def deliver(self, notification: Notification) -> Outcome:
        """Publish once and wait for the confirm."""
        lacking = extras.missing("amqp")
        if lacking:
            return Outcome(Verdict.RETRY, lacking, reachable=False)
        try:
            message = self._message(notification)
            self._link.publish(message)
        except CannotRender as error:
            return Outcome(Verdict.PARK, str(error))
        except SecretError as error:
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        except NotConfirmed as failure:
            return Outcome(Verdict.RETRY, str(failure), reachable=failure.reachable)
        where = f"exchange {self._config.server.exchange or '(default)'}, routing key {message.routing_key}"
        return Outcome(Verdict.DELIVERED, f"confirmed: {where}", summary={"answer": "confirmed"})

    def preview(self, notification: Notification) -> str:
        """Exchange, routing key, properties and body."""
        message = self._message(notification)
        headers = message.properties["application_headers"]
        lines = [f"exchange: {self._config.server.exchange or '(default)'}", f"routing-key: {message.routing_key}"]
        lines += [f"{name}: {value}" for name, value in message.properties.items() if name != "application_headers"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\n".join([*lines, "", json.dumps(json.loads(message.body), ensure_ascii=False, indent=2)])

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def interrupt(self) -> None:
        """End a running delivery."""
        self._link.interrupt()

    def _message(self, notification: Notification) -> Message:
        key = routing.fill(self._config.routing_key, notification, self._config.style.site)
        if len(key) > routing.LONGEST:
            raise CannotRender(f"the routing key is longer than {routing.LONGEST} characters; shorten routing_key")
        event = cloud_event.document(notification, self._config.style)
        properties: dict[str, Any] = {
            "content_type": CONTENT_TYPE, "delivery_mode": _PERSISTENT, "message_id": notification.message_id,
            "timestamp": int(notification.created_at.timestamp()), "type": event["type"], "app_id": "worklist-broker",
            "application_headers": {},
        }  # fmt: skip
        if not self._config.binary:
            return Message(key, cloud_event.to_json(event), properties)
        data, properties["content_type"] = event.pop("data"), event.pop("datacontenttype")
        properties["application_headers"] = {f"{_PREFIX}{name}": value for name, value in event.items()}
        return Message(key, cloud_event.to_json(data), properties)
