"""Webhook destination: a signed CloudEvents document by HTTP POST; any 2xx is the receipt.

Owns what an HTTP answer means for the entry.  Must not retry, wait or touch the database: the sender does.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from broker.delivery import cloud_event
from broker.delivery.cloud_event import CONTENT_TYPE, EventStyle
from broker.delivery.http import Poster, Reply, RequestFailed, Target
from broker.delivery.signature import SecretError, SecretSource, sign
from broker.domain.notifications import Notification, Outcome, Verdict

#: a receiver may ask us to wait, but not for ever
LONGEST_WAIT = 86400.0
_GONE, _TOO_MANY, _UNAVAILABLE = 410, 429, 503
_WORDS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """Where and how."""

    name: str
    target: Target
    secret: SecretSource
    style: EventStyle


class WebhookDestination:
    """A ``Destination`` that posts events (Standard Webhooks)."""

    def __init__(self, config: WebhookConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._poster = Poster(config.target)

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._config.name

    @property
    def patience(self) -> float:
        """Seconds: the deadline, and the connection it interrupts only when that is open."""
        return self._config.target.connect_timeout + self._config.target.deadline

    def deliver(self, notification: Notification) -> Outcome:
        """Post once."""
        body = cloud_event.encode(notification, self._config.style)
        timestamp = int(self._clock())
        try:
            headers = self._headers(notification, timestamp, body)
            reply = self._poster.post(body, headers)
        except SecretError as error:
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        except RequestFailed as error:
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        return _outcome(reply, datetime.fromtimestamp(timestamp, UTC))

    def preview(self, notification: Notification) -> str:
        """The document; the signature is made when it is sent."""
        return json.dumps(cloud_event.document(notification, self._config.style), ensure_ascii=False, indent=2)

    def close(self) -> None:
        """Nothing stays open between deliveries."""

    def interrupt(self) -> None:
        """End a running delivery."""
        self._poster.interrupt()

    def _headers(self, notification: Notification, timestamp: int, body: bytes) -> dict[str, str]:
        secrets = self._config.secret.secrets()
        return {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "worklist-broker",
            "webhook-id": notification.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(notification.message_id, timestamp, body, secrets),
        }


def _outcome(reply: Reply, now: datetime) -> Outcome:
    """2xx is a receipt; anything else is tried again, when the receiver wants it; 410 holds the destination."""
    said = f"HTTP {reply.status} {reply.reason}".strip()
    summary = {"answer": str(reply.status)}
    if 200 <= reply.status < 300:
        return Outcome(Verdict.DELIVERED, said, reply.body or None, summary=summary)
    if 300 <= reply.status < 400:
        detail = f"{said}: redirects are not followed; set url to the final address"
        return Outcome(Verdict.RETRY, detail, reply.body or None, reachable=False, summary=summary)
    detail = f"{said} {reply.body.decode('utf-8', 'replace')[:_WORDS_LIMIT]}".strip()
    if reply.status == _GONE:
        detail = f"{said}: the receiver wants no more; resume it with: broker destinations resume"
        return Outcome(Verdict.RETRY, detail, reply.body or None, reachable=False, summary=summary, disable=True)
    wait = retry_after(reply.headers.get("retry-after", ""), now)
    away = reply.status in (_TOO_MANY, 502, _UNAVAILABLE, 504)
    return Outcome(Verdict.RETRY, detail, reply.body or None, reachable=not away, summary=summary, wait=wait)


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110 section 10.2.3), at most a day; None when it says nothing."""
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(0.0, (at - now).total_seconds()), LONGEST_WAIT)
