"""HL7 destination: messages over MLLP, one persistent connection, each answer checked.

Owns what an answer means for the entry: AA delivered, AE (and no or a wrong answer) retried, AR parked.
Must not retry, wait or touch the database: the sender does.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from broker.delivery.base import CannotRender
from broker.delivery.hl7_message import Profile, render
from broker.delivery.order_status import TOLD, codes_of
from broker.domain.notifications import DestinationRule, Notification, Outcome, Verdict
from hl7 import client
from hl7.acknowledge import Acknowledgement
from hl7.errors import AckCode, ContentError, UnreadableMessage

_VERDICTS = {
    AckCode.AA: Verdict.DELIVERED, AckCode.CA: Verdict.DELIVERED,
    AckCode.AE: Verdict.RETRY, AckCode.CE: Verdict.RETRY,
    AckCode.AR: Verdict.PARK, AckCode.CR: Verdict.PARK,
}  # fmt: skip


#: the bytes of a notification that hands a message on, by its payload; None when they are no longer kept
RawMessages = Callable[[Mapping[str, object]], bytes | None]


@dataclass(frozen=True, slots=True)
class Hl7DestinationConfig:
    """Where and how; ``ssl_context`` None sends in plain.  With ``raw``, messages go on as they were received."""

    name: str
    host: str
    port: int
    profile: Profile = field(default_factory=Profile)
    timeouts: client.Timeouts = field(default_factory=client.Timeouts)
    ssl_context: ssl.SSLContext | None = None
    server_hostname: str | None = None
    raw: RawMessages | None = None


class Hl7Destination:
    """A ``Destination`` that speaks HL7 v2 over MLLP."""

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
        """Send the message and read the answer."""
        try:
            message = self._message(notification)
        except CannotRender as error:
            return Outcome(Verdict.PARK, f"cannot be written for this destination: {error}")
        try:
            outcome = _outcome(self._connection.send(message))
        except (UnreadableMessage, ValueError) as error:
            return Outcome(Verdict.PARK, f"cannot be sent over MLLP: {type(error).__name__}")
        return replace(outcome, summary={**self._status(notification), **outcome.summary})

    def preview(self, notification: Notification) -> str:
        """The message, one segment a line."""
        return self._message(notification).decode("utf-8", "replace").replace("\r", "\n")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def interrupt(self) -> None:
        """End a running delivery."""
        self._connection.interrupt()

    def _message(self, notification: Notification) -> bytes:
        if self._config.raw is None:
            return render_for(notification, self._config.profile)
        message = self._config.raw(notification.payload)
        if message is None:
            raise CannotRender("the message received is no longer in the journal")
        return message

    def _status(self, notification: Notification) -> dict[str, str]:
        if self._config.raw is not None:
            return {}
        codes = codes_of(notification, self._config.profile.template.codes)
        return {"order_control": codes.order_control, "order_status": codes.order_status}


def render_for(notification: Notification, profile: Profile) -> bytes:
    """In the partner's character set; names that do not fit it are written without accents, never with ``?``.

    Raises CannotRender when that does not help, or the fact has no message.
    """
    if notification.kind not in TOLD:
        raise CannotRender(f"{notification.kind.value} has no HL7 status message")
    try:
        return render(notification, profile)
    except ContentError:
        pass
    try:
        return render(notification, profile, plain=True)
    except ContentError as error:
        raise CannotRender(error.text) from error


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
