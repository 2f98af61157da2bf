"""Batches: FHS/BHS ... BTS/FTS around messages, or simply several messages one after the other.

Owns: cutting them apart as bytes and answering them as a batch. Must not: parse the messages inside.
Source: HL7 2.5.1 sections 2.10.3 and 2.15.2 to 2.15.7 (BHS, BTS, FHS, FTS).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hl7.control_ids import new_control_id
from hl7.delimiters import Delimiters
from hl7.errors import Location, UnreadableMessage

_LINE_END = re.compile(rb"\r\n|\r|\n")
_CODEC = "latin_1"
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of one batch, in order. `header` is its BHS line, empty when it has none."""

    messages: tuple[bytes, ...] = field(default=(), repr=False)
    header: bytes = b""
    declared: int | None = None
    """BTS-1, None when not stated"""

    @property
    def problem(self) -> str:
        """A count that does not agree with what is there, else nothing."""
        if self.declared in (None, len(self.messages)):
            return ""
        return f"the batch states {self.declared} messages and holds {len(self.messages)}"


@dataclass(frozen=True, slots=True)
class BatchFile:
    """The batches of one file or frame. `header` is the FHS line, empty when there is none."""

    batches: tuple[Batch, ...] = ()
    header: bytes = b""
    declared: int | None = None
    """FTS-1, None when not stated"""

    @property
    def messages(self) -> tuple[bytes, ...]:
        """All messages of all batches, in order."""
        return tuple(message for batch in self.batches for message in batch.messages)

    @property
    def problem(self) -> str:
        """A count of batches that does not agree with what is there, else nothing."""
        if self.declared in (None, len(self.batches)):
            return ""
        return f"the file states {self.declared} batches and holds {len(self.batches)}"

    @property
    def problems(self) -> tuple[str, ...]:
        """Counts that do not agree with what is there."""
        return tuple(text for text in (*(batch.problem for batch in self.batches), self.problem) if text)


def is_batch(raw: bytes) -> bool:
    """True when the bytes begin with a batch or file header."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:3] in (b"FHS", b"BHS")


def split(raw: bytes) -> BatchFile:
    """Cut a file or frame into its messages; lines keep their bytes and are joined by CR.

    Errors: UnreadableMessage when text stands before the first header, or a header does not name its delimiters.
    """
    collector = _Collector()
    for line in _LINE_END.split(raw.lstrip(b"\xef\xbb\xbf \t\r\n")):
        collector.take(line)
    return collector.finish()


class _Collector:
    """Lines in, a BatchFile out."""

    def __init__(self) -> None:
        self._file_header = b""
        self._declared: int | None = None
        self._batches: list[Batch] = []
        self._header = b""
        self._messages: list[list[bytes]] = []
        self._inside = False

    def take(self, line: bytes) -> None:
        name = line[:3]
        if name == b"MSH":
            self._messages.append([line])
            self._inside = True
        elif name not in _ENVELOPE:
            self._continue(line)
        else:
            self._inside = False
            self._envelope(name, line)

    def _continue(self, line: bytes) -> None:
        if self._inside:
            self._messages[-1].append(line)
        elif line.strip():
            raise UnreadableMessage("a segment stands outside any message of the batch", location=Location("MSH"))

    def _envelope(self, name: bytes, line: bytes) -> None:
        if name == b"BTS":
            self._end_batch(_count(line))
        elif name == b"FTS":
            self._end_batch(None)
            self._declared = _count(line)
        else:
            _delimiters(line)  # a header that cannot be mirrored is refused before any message takes effect
            self._end_batch(None)
            if name == b"FHS":
                self._file_header = line
            else:
                self._header = line

    def _end_batch(self, declared: int | None) -> None:
        if self._header or self._messages:
            messages = tuple(b"\r".join(lines) + b"\r" for lines in self._messages)
            self._batches.append(Batch(messages, self._header, declared))
        self._header, self._messages = b"", []

    def finish(self) -> BatchFile:
        self._end_batch(None)
        return BatchFile(tuple(self._batches), self._file_header, self._declared)


def _count(line: bytes) -> int | None:
    """BTS-1 or FTS-1: the field between the separator after the segment id and the next one."""
    fields = line.split(line[3:4]) if line[3:4] else [line]
    text = fields[1].strip() if len(fields) > 1 else b""
    return int(text) if text.isdigit() and len(text) < 10 else None


def acknowledge_batch(file: BatchFile, answers: Sequence[Sequence[bytes]], *, now: datetime | None = None) -> bytes:
    """Answer a batch as a batch: `answers` holds, for each batch, the acknowledgements of its messages.

    Headers are mirrored: sender and receiver exchanged, own control id, the received one as reference (BHS-12).
    Empty answers are those that nobody wants. Counts that do not agree are said in BTS-2 and FTS-2.
    """
    moment = now or datetime.now(UTC)
    pieces: list[bytes] = []
    for batch, group in zip(file.batches, answers, strict=True):
        sent = [answer for answer in group if answer]
        trailer = _trailer(b"BTS", batch.header, len(sent), batch.problem)
        pieces += [_mirrored(batch.header, b"BHS", moment), *sent, trailer]
    if file.header:
        trailer = _trailer(b"FTS", file.header, len(file.batches), file.problem)
        pieces = [_mirrored(file.header, b"FHS", moment), *pieces, trailer]
    return b"".join(pieces)


def _trailer(name: bytes, header: bytes, count: int, comment: str) -> bytes:
    """BTS or FTS: the count, and a comment (BTS-2, FTS-2) when what was received does not hold what it states."""
    separator = header[3:4] or b"|"
    fields = [name, str(count).encode("ascii"), *([comment.encode("ascii")] if comment else [])]
    return separator.join(fields) + b"\r"


def _delimiters(header: bytes) -> Delimiters:
    """Of an FHS or BHS line: the segment name, the separator, at most five encoding characters, some blanks."""
    return Delimiters.read(header[:12].decode(_CODEC))


def _mirrored(header: bytes, name: bytes, now: datetime) -> bytes:
    header = header or name + b"|^~\\&"
    line, delimiters = header.decode(_CODEC), _delimiters(header)
    received = [*line.split(delimiters.field), *[""] * 12]
    senders = [received[4], received[5], received[2], received[3]]
    own = [now.strftime("%Y%m%d%H%M%S%z"), "", "", "", new_control_id(), received[10]]
    fields = [name.decode("ascii"), delimiters.encoding_characters, *senders, *own]
    return (delimiters.field.join(fields).rstrip(delimiters.field) + "\r").encode(_CODEC)
