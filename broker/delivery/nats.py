"""NATS destination: events published to a JetStream stream; the stream's acknowledgement is the receipt.

Owns how a CloudEvents document becomes a NATS message (CloudEvents NATS Protocol Binding 1.0.2: always structured).
Must not retry, wait or touch the database: the sender does.
"""

import json
from dataclasses import dataclass, field

from broker.delivery import cloud_event, extras
from broker.delivery.base import CannotRender
from broker.delivery.cloud_event import CONTENT_TYPE, EventStyle
from broker.delivery.nats_link import NatsLink, NotStored, Receipt, Server
from broker.delivery.signature import SecretError
from broker.domain import routing
from broker.domain.notifications import Notification, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class NatsConfig:
    """Where and how."""

    name: str
    server: Server
    subject: str = "worklist.{event}"
    style: EventStyle = field(default_factory=lambda: EventStyle(""))


class NatsDestination:
    """A ``Destination`` that publishes to JetStream."""

    def __init__(self, config: NatsConfig) -> None:
        self._config = config
        self._link = NatsLink(config.server)

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._config.name

    @property
    def patience(self) -> float:
        """Connecting and the acknowledgement, seconds."""
        return self._config.server.patience

    def deliver(self, notification: Notification) -> Outcome:
        """Publish once and wait for the acknowledgement."""
        lacking = extras.missing("nats")
        if lacking:
            return Outcome(Verdict.RETRY, lacking, reachable=False)
        try:
            body = cloud_event.encode(notification, self._config.style)
            receipt = self._link.publish(self._subject(notification), body, _headers(notification))
        except CannotRender as error:
            return Outcome(Verdict.PARK, str(error))
        except SecretError as error:
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        except NotStored as failure:
            verdict = Verdict.PARK if failure.permanent else Verdict.RETRY
            return Outcome(verdict, str(failure), reachable=failure.reachable)
        return _delivered(receipt)

    def preview(self, notification: Notification) -> str:
        """Subject, headers and body."""
        lines = [f"subject: {self._subject(notification)}"]
        lines += [f"{name}: {value}" for name, value in _headers(notification).items()]
        document = cloud_event.document(notification, self._config.style)
        return "\n".join([*lines, "", json.dumps(document, ensure_ascii=False, indent=2)])

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def interrupt(self) -> None:
        """End a running delivery."""
        self._link.interrupt()

    def _subject(self, notification: Notification) -> str:
        subject = routing.fill(self._config.subject, notification, self._config.style.site)
        if len(subject) > routing.LONGEST:
            raise CannotRender(f"the subject is longer than {routing.LONGEST} characters; shorten subject")
        return subject


def _headers(notification: Notification) -> dict[str, str]:
    """By ``Nats-Msg-Id`` a stream drops what it has stored within its duplicate window (two minutes by default)."""
    return {"Nats-Msg-Id": notification.message_id, "Content-Type": CONTENT_TYPE}


def _delivered(receipt: Receipt) -> Outcome:
    known = " (it had it already)" if receipt.duplicate else ""
    stored = f"stream {receipt.stream}, sequence {receipt.sequence}"
    return Outcome(Verdict.DELIVERED, f"{stored}{known}", summary={"answer": stored})
