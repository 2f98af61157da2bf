"""FHIR destination: each fact brings a FHIR R4 server's resources to where the order stands; any 2xx is the receipt.

Owns what a FHIR server's answer means for the entry.  Must not retry, wait or touch the database by itself: the sender
does, and what devices reported comes from the use case it is given.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from broker.delivery import cloud_event
from broker.delivery.base import CannotRender
from broker.delivery.fhir_bundle import transaction
from broker.delivery.http import Poster, Reply, RequestFailed, Target
from broker.delivery.login import Login
from broker.delivery.signature import SecretError
from broker.delivery.webhook import retry_after
from broker.domain.fhir_codes import Json
from broker.domain.fhir_study import OrderExams
from broker.domain.fhir_style import FhirStyle
from broker.domain.notifications import Notification, Outcome, Verdict

_MEDIA_TYPE = "application/fhir+json"
#: bytes of an answer that are read: a Bundle with one entry for each resource, or an OperationOutcome
READ_LIMIT = 256 * 1024
#: the same transaction would be refused again: it is wrong to them (400, 422), too large (413), or an identifier in it
#: is not unique there (412)
_PERMANENT = frozenset({400, 412, 413, 422})
#: their settings or ours, or they are busy: nothing else would fare better
_AWAY = frozenset({401, 403, 404, 405, 406, 410, 415, 429, 502, 503, 504})

#: what devices reported about the exams of an order, by its key
ExamsOf = Callable[[int], OrderExams | None]


@dataclass(frozen=True, slots=True)
class FhirConfig:
    """Where and how; ``target.url`` is the server's base address."""

    name: str
    target: Target
    style: FhirStyle = field(default_factory=FhirStyle)
    login: Login = field(default_factory=Login)


class FhirDestination:
    """A ``Destination`` that is a FHIR R4 server."""

    def __init__(self, config: FhirConfig, exams_of: ExamsOf) -> None:
        self._config = config
        self._exams_of = exams_of
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
        """Post the transaction once."""
        try:
            body = cloud_event.to_json(self._bundle(notification))
            reply = self._poster.post(body, self._headers(notification))
        except CannotRender as error:
            return Outcome(Verdict.PARK, f"cannot be written for this destination: {error}")
        except (SecretError, RequestFailed) as error:
            return Outcome(Verdict.RETRY, str(error), reachable=False)
        return _outcome(reply)

    def preview(self, notification: Notification) -> str:
        """The transaction."""
        return json.dumps(self._bundle(notification), ensure_ascii=False, indent=2)

    def close(self) -> None:
        """Nothing stays open between deliveries."""

    def interrupt(self) -> None:
        """End a running delivery."""
        self._poster.interrupt()

    def _bundle(self, notification: Notification) -> Json:
        key = notification.request_key
        known = OrderExams("0") if key is None else self._exams_of(key)  # an invented order has no key
        if known is None:
            raise CannotRender("the order is no longer kept")
        return transaction(notification, known, self._config.style)

    def _headers(self, notification: Notification) -> dict[str, str]:
        headers = {
            "Content-Type": f"{_MEDIA_TYPE}; charset=utf-8", "Accept": _MEDIA_TYPE, "Prefer": "return=minimal",
            "User-Agent": "worklist-broker", "X-Request-Id": notification.message_id,
        }  # fmt: skip
        secret = self._config.login.text()
        if secret and self._config.login.user:
            pair = base64.b64encode(f"{self._config.login.user}:{secret}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {pair}"
        elif secret:
            headers["Authorization"] = f"Bearer {secret}"
        return headers


def _outcome(reply: Reply) -> Outcome:
    said = f"HTTP {reply.status} {reply.reason}".strip()
    summary, answer = {"answer": str(reply.status)}, reply.body or None
    found = _resource(reply.body)
    if 200 <= reply.status < 300:
        media_type = reply.headers.get("content-type", "")
        if reply.body and "json" not in media_type:
            text = f"{said}, but the answer is not FHIR JSON ({media_type}): is something else at this address?"
            return Outcome(Verdict.RETRY, text, answer, reachable=False, summary=summary)
        failed = [status for status in _entry_statuses(found) if not status.startswith("2")]
        if failed:
            text = f"{said}, but an entry of the transaction was answered {failed[0]}"
            return Outcome(Verdict.RETRY, text, answer, summary=summary)
        told = ", ".join(_entry_statuses(found))
        return Outcome(Verdict.DELIVERED, f"{said}: {told}" if told else said, answer, summary=summary)
    if 300 <= reply.status < 400:
        detail = f"{said}: redirects are not followed; set url to the final address"
        return Outcome(Verdict.RETRY, detail, answer, reachable=False, summary=summary)
    detail = f"{said}: {_issues(found)}" if _issues(found) else said
    verdict = Verdict.PARK if reply.status in _PERMANENT else Verdict.RETRY
    wait = retry_after(reply.headers.get("retry-after", ""), datetime.now(UTC))
    return Outcome(verdict, detail, answer, reachable=reply.status not in _AWAY, summary=summary, wait=wait)


def _resource(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _entry_statuses(bundle: dict[str, Any]) -> list[str]:
    """What became of each entry, when the server tells (Bundle.entry.response.status)."""
    entries = bundle.get("entry") if bundle.get("resourceType") == "Bundle" else None
    return [str(e["response"].get("status", "")) for e in entries or () if isinstance(e.get("response"), dict)]


def _issues(outcome: dict[str, Any]) -> str:
    """The words of an OperationOutcome."""
    if outcome.get("resourceType") != "OperationOutcome":
        return ""
    issues = [issue for issue in outcome.get("issue") or () if isinstance(issue, dict)]
    return "; ".join(filter(None, map(_issue, issues)))


def _issue(issue: dict[str, Any]) -> str:
    details = issue.get("details")
    text = issue.get("diagnostics") or (details.get("text") if isinstance(details, dict) else "")
    return " ".join(str(part) for part in (issue.get("severity"), issue.get("code"), text) if part)
