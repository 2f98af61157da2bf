"""HL7 destination: order status messages over MLLP, one persistent connection, each answer checked.

Owns what an answer means for the entry: AA delivered, AE (and no or a wrong answer) retried, AR parked.
Must not retry, wait or touch the database: the sender does.
"""

import ssl
from dataclasses import dataclass, field

from broker.delivery.hl7_message import Profile, render
from broker.delivery.order_status import TOLD, codes_of
from broker.domain.notifications import DestinationRule, Notification, Outcome, Verdict
from hl7 import client
from hl7.acknowledge import Acknowledgement
from hl7.errors import AckCode, ContentError

_VERDICTS = {
    AckCode.AA: Verdict.DELIVERED, AckCode.CA: Verdict.DELIVERED,
    AckCode.AE: Verdict.RETRY, AckCode.CE: Verdict.RETRY,
    AckCode.AR: Verdict.PARK, AckCode.CR: Verdict.PARK,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hl7DestinationConfig:
    """Where and how; ``ssl_context`` None sends in plain."""

    name: str
    host: str
    port: int
    profile: Profile = field(default_factory=Profile)
    timeouts: client.Timeouts = field(default_factory=client.Timeouts)
    ssl_context: ssl.SSLContext | None = None
    server_hostname: str | None = None


class Hl7Destination:
    """A ``Destination`` that speaks HL7 2.3.1 over MLLP."""

    def __init__(self, config: Hl7DestinationConfig) -> None:
        self._config = config
        self._connection = client.MllpConnection(
            config.host, config.port, timeouts=config.timeouts, ssl_context=config.ssl_context,
            server_hostname=config.server_hostname,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._config.name

    @property
    def patience(self) -> float:
        """All time-outs of one delivery together, seconds."""
        timeouts = self._config.timeouts
        return timeouts.connect + timeouts.send + timeouts.answer

    def deliver(self, notification: Notification) -> Outcome:
        """Send the status message and read the answer."""
        told = codes_of(notification)
        try:
            message = self._render(notification)
        except ContentError as error:
            return Outcome(Verdict.PARK, f"cannot be written for this destination: {error.text}")
        outcome = _outcome(self._connection.send(message))
        status = {"order_control": told.order_control, "order_status": told.order_status}
        return Outcome(
            outcome.verdict, outcome.detail, outcome.answer, outcome.reachable, {**status, **outcome.summary}
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def interrupt(self) -> None:
        """End a running delivery."""
        self._connection.interrupt()

    def _render(self, notification: Notification) -> bytes:
        """In the partner's character set; names that do not fit it are written without accents, never with ``?``."""
        try:
            return render(notification, self._config.profile)
        except ContentError:
            return render(notification, self._config.profile, plain=True)


def check_rule(rule: DestinationRule) -> list[str]:
    """What is wrong with a rule of kind hl7: the facts for which there is no status message."""
    unknown = sorted(kind.value for kind in rule.events if kind not in TOLD)
    known = ", ".join(sorted(kind.value for kind in TOLD))
    return [f"{kind} has no HL7 status message; choose from {known}" for kind in unknown]


def _outcome(answer: client.Outcome) -> Outcome:
    match answer:
        case client.Acknowledged(acknowledgement, raw):
            code = acknowledgement.code
            return Outcome(_VERDICTS[code], _words(acknowledgement), raw, summary={"answer": code.value})
        case client.WrongControlId(_, received, raw):
            return Outcome(Verdict.RETRY, f"the answer is to another message (MSA-2 is {received[:20]!r})", raw)
        case client.UnreadableAnswer(reason, raw):
            return Outcome(Verdict.RETRY, f"the answer cannot be read: {reason}", raw)
        case client.NoAnswer(reason):
            return Outcome(Verdict.RETRY, f"no answer: {reason}", reachable=False)
        case client.ConnectionFailed(reason):
            return Outcome(Verdict.RETRY, reason, reachable=False)


def _words(acknowledgement: Acknowledgement) -> str:
    """The receiver's words: code, text, and what ERR adds."""
    said = [acknowledgement.text, *(f"{e.code} {e.location} {e.text}".strip() for e in acknowledgement.errors)]
    return " | ".join([acknowledgement.code.value, *(text for text in said if text)])
