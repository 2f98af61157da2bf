"""MLLP framing as a state machine without sockets: bytes in, frames and framing errors out.

Owns: start block 0x0B, end block 0x1C 0x0D, the size limit. Must not: read sockets or look into messages.
Source: HL7 MLLP release 1 (Implementation Support Guide, appendix C); tolerances as commented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hl7.errors import FramingError, FramingKind

START = 0x0B
END = 0x1C
CARRIAGE_RETURN = 0x0D
DEFAULT_MAX_FRAME = 10 * 1024 * 1024
_MARK = re.compile(rb"[\x0b\x1c]")


@dataclass(frozen=True, slots=True)
class Frame:
    """One framed message, without its frame bytes."""

    payload: bytes

    def __repr__(self) -> str:
        return f"<Frame of {len(self.payload)} bytes>"


Event = Frame | FramingError


def frame(payload: bytes) -> bytes:
    """Wrap a message for sending. Errors: ValueError when it contains frame bytes (UTF-16, for example)."""
    if _MARK.search(payload):
        raise ValueError("a message with the bytes 0x0B or 0x1C cannot be framed: choose another character set")
    return b"\x0b" + payload + b"\x1c\x0d"


class FrameDecoder:
    """Feed it what arrives; it answers with the events that became certain.

    A 0x1C ends the frame even when no 0x0D follows; while it is the last byte received, call `flush` after a short
    wait. After a TOO_LARGE error the decoder is `dead`: the connection has to be closed.
    """

    def __init__(self, *, max_frame: int = DEFAULT_MAX_FRAME) -> None:
        self.max_frame = max_frame
        self.junk_bytes = 0
        """bytes outside frames since the beginning, harmless line ends included"""
        self.dead = False
        self._inside_frame = False
        self._body = bytearray()
        self._ended: bytes | None = None
        self._junk = 0

    @property
    def waiting_for_end(self) -> bool:
        """True when a frame is complete but for the 0x0D that should follow its 0x1C."""
        return self._ended is not None

    @property
    def inside_frame(self) -> bool:
        """True when a frame has begun and not ended."""
        return self._inside_frame

    def feed(self, data: bytes) -> list[Event]:
        """Take received bytes. Never raises; FramingErrors are returned in their place among the frames."""
        events: list[Event] = []
        position = 0
        while position < len(data) and not self.dead:
            if self._ended is not None:
                position += data[position] == CARRIAGE_RETURN
                events += self.flush()
            elif self._inside_frame:
                position = self._inside(data, position, events)
            else:
                position = self._outside(data, position, events)
        return events

    def flush(self) -> list[Event]:
        """Accept a frame whose 0x0D did not come."""
        if self._ended is None:
            return []
        payload, self._ended = self._ended, None
        return [Frame(payload)]

    def close(self) -> list[Event]:
        """The stream has ended: what it leaves behind."""
        events = self.flush()
        events += self._take_junk()
        if self._inside_frame:
            events.append(self._unfinished())
        self.dead = True
        return events

    def _outside(self, data: bytes, position: int, events: list[Event]) -> int:
        start = data.find(START, position)
        junk = data[position:] if start < 0 else data[position:start]
        self.junk_bytes += len(junk)
        self._junk += len(junk.strip(b"\r\n"))  # line ends between frames are a common habit and mean nothing
        if start < 0:
            return len(data)
        events += self._take_junk()
        self._inside_frame = True
        return start + 1

    def _inside(self, data: bytes, position: int, events: list[Event]) -> int:
        match = _MARK.search(data, position)
        end = match.start() if match else len(data)
        if len(self._body) + end - position > self.max_frame:
            text = f"a frame is larger than {self.max_frame} bytes"
            events.append(FramingError(FramingKind.TOO_LARGE, len(self._body) + end - position, text))
            self.dead, self._inside_frame, self._body = True, False, bytearray()
            return len(data)
        self._body += data[position:end]
        if match is None:
            return end
        if data[end] == START:
            events.append(self._unfinished())
        else:
            self._ended, self._inside_frame = bytes(self._body), False
            self._body = bytearray()
        return end + 1

    def _unfinished(self) -> FramingError:
        count, self._body = len(self._body), bytearray()
        return FramingError(FramingKind.UNFINISHED, count, "a frame began and never ended: dropped")

    def _take_junk(self) -> list[Event]:
        count, self._junk = self._junk, 0
        return [FramingError(FramingKind.JUNK, count, "bytes outside any frame: skipped")] if count else []
