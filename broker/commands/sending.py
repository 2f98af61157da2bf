"""Sending HL7 files over MLLP and telling what came back."""

from collections.abc import Iterable
from pathlib import Path

import typer

from broker.commands.common import Failure
from hl7.batch import is_batch, split
from hl7.client import Acknowledged, MllpConnection, NoAnswer, Outcome, UnreadableAnswer, WrongControlId
from hl7.errors import Hl7Error


def send_files(files: Iterable[Path], host: str, port: int) -> int:
    """Send each file (each message of a batch file) in turn; answers how many were not accepted."""
    refused = 0
    with MllpConnection(host, port) as connection:
        for file in files:
            for message in _messages(file):
                outcome = _send(connection, message, file)
                typer.echo(f"{file.name}: {describe(outcome)}")
                accepted = isinstance(outcome, Acknowledged) and outcome.acknowledgement.accepted
                refused += not accepted
    return refused


def _messages(file: Path) -> tuple[bytes, ...]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}") from None
    return split(raw).messages if is_batch(raw) else (raw,)


def _send(connection: MllpConnection, message: bytes, file: Path) -> Outcome:
    try:
        return connection.send(message)
    except (Hl7Error, ValueError) as error:
        raise Failure(f"{file} is not an HL7 message: {error}") from None


def describe(outcome: Outcome) -> str:
    """What became of one message, in a line or a few."""
    if isinstance(outcome, Acknowledged):
        answer = outcome.acknowledgement
        lines = [f"{answer.code.value} {answer.text}".rstrip()]
        lines += [f"    {e.severity} {e.code} at {e.location or '?'}: {e.text}" for e in answer.errors]
        return "\n".join(lines)
    if isinstance(outcome, WrongControlId):
        return f"answer to another message (MSA-2 {outcome.received!r} instead of {outcome.expected!r})"
    if isinstance(outcome, NoAnswer):
        return f"no answer: {outcome.reason}"
    if isinstance(outcome, UnreadableAnswer):
        return f"unreadable answer: {outcome.reason}"
    return f"not sent: {outcome.reason}; is the broker running? (`broker serve`)"
