"""Text that switches character sets inside itself: ISO 2022 escapes in HL7 messages and in DICOM values.

Owns: turning such bytes into Unicode. Must not: decide which sets a message may use (hl7.charset does).
Sources: ISO/IEC 2022; the escapes of DICOM PS3.3 C.12.1.1.2, which are those HL7 table 0211 points to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

_SWITCH = re.compile(rb"\x1b(\$[()][A-Z]|\$[@AB]|[()\-][A-Za-z]|)|[\r\n]")
_RUNS = re.compile(rb"[\x21-\x7e]+|[\x00-\x20\x7f]+|[\x80-\xff]+")
_Decoder = Callable[[bytes], str]


def _plain(codec: str, raw: bytes) -> str:
    return raw.decode(codec)


def _raised(codec: str, raw: bytes) -> str:
    """Sets of pairs in the lower half: the same code points lie in the EUC codec's upper half."""
    return bytes(byte | 0x80 for byte in raw).decode(codec)


def _jis_x_0212(raw: bytes) -> str:
    pairs = (raw[at : at + 2] for at in range(0, len(raw), 2))
    return b"".join(b"\x8f" + bytes(byte | 0x80 for byte in pair) for pair in pairs).decode("euc_jp")


_LOW: dict[bytes, _Decoder] = {
    b"(B": partial(_plain, "ascii"),
    b"(J": partial(_plain, "ascii"),
    b"(I": partial(_raised, "shift_jis"),
    b"$@": partial(_raised, "euc_jp"),
    b"$B": partial(_raised, "euc_jp"),
    b"$(D": _jis_x_0212,
    b"$A": partial(_raised, "gb2312"),
}
_HIGH: dict[bytes, str] = {
    b")I": "shift_jis",
    b"$)C": "euc_kr",
    b"$)A": "gb2312",
    b"-A": "iso8859_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "iso8859_11",
    b"-b": "iso8859_15",
}
"""(J, JIS X 0201 romaji, is read as ASCII: HL7 and DICOM use its 0x5C as the escape or value delimiter, not as yen."""


def decode(raw: bytes, high_codec: str) -> str:
    """Decode bytes whose lower half is ASCII and whose upper half is `high_codec` until an escape says otherwise.

    A line end restores both halves. Errors: UnicodeDecodeError for unknown escapes and undefined code points.
    """
    pieces: list[str] = []
    low, high, position = _LOW[b"(B"], high_codec, 0
    for match in _SWITCH.finditer(raw):
        pieces.append(_run(raw[position : match.start()], low, high))
        position = match.end()
        switch = match[1]
        if switch is None:
            low, high = _LOW[b"(B"], high_codec
            pieces.append(match[0].decode("ascii"))
        elif switch in _LOW:
            low = _LOW[switch]
        elif switch in _HIGH:
            high = _HIGH[switch]
        else:
            raise UnicodeDecodeError("iso2022", raw, match.start(), match.end(), "unknown escape sequence")
    pieces.append(_run(raw[position:], low, high))
    return "".join(pieces)


def _run(raw: bytes, low: _Decoder, high: str) -> str:
    return "".join(_half(part, low, high) for part in _RUNS.findall(raw))


def _half(part: bytes, low: _Decoder, high: str) -> str:
    if part[0] >= 0x80:
        return part.decode(high)
    if part[0] <= 0x20 or part[0] == 0x7F:
        return part.decode("ascii")
    return low(part)
