"""Character sets: HL7 names (MSH-18, table 0211), Python codecs and DICOM Specific Character Set terms.

Owns: the table, its aliases, and `MessageCharset`, the sets of one message. Must not: know where text goes.
Sources: HL7 2.5.1 table 0211; DICOM PS3.3 C.12.1.1.2; ISO 2022 escapes in hl7.iso2022.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hl7 import iso2022


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """One row of the table. `dicom_term` is empty where DICOM has no single term (offer ISO_IR 192 then)."""

    hl7_name: str
    codec: str
    dicom_term: str = ""
    extension_term: str = ""
    """the DICOM term when used with code extensions (ISO 2022 ...)"""


_TABLE = (
    CharacterSet("ASCII", "ascii", "", "ISO 2022 IR 6"),
    CharacterSet("8859/1", "iso8859_1", "ISO_IR 100", "ISO 2022 IR 100"),
    CharacterSet("8859/2", "iso8859_2", "ISO_IR 101", "ISO 2022 IR 101"),
    CharacterSet("8859/3", "iso8859_3", "ISO_IR 109", "ISO 2022 IR 109"),
    CharacterSet("8859/4", "iso8859_4", "ISO_IR 110", "ISO 2022 IR 110"),
    CharacterSet("8859/5", "iso8859_5", "ISO_IR 144", "ISO 2022 IR 144"),
    CharacterSet("8859/6", "iso8859_6", "ISO_IR 127", "ISO 2022 IR 127"),
    CharacterSet("8859/7", "iso8859_7", "ISO_IR 126", "ISO 2022 IR 126"),
    CharacterSet("8859/8", "iso8859_8", "ISO_IR 138", "ISO 2022 IR 138"),
    CharacterSet("8859/9", "iso8859_9", "ISO_IR 148", "ISO 2022 IR 148"),
    CharacterSet("8859/11", "iso8859_11", "ISO_IR 166", "ISO 2022 IR 166"),
    CharacterSet("8859/15", "iso8859_15"),
    CharacterSet("ISO IR14", "shift_jis", "ISO_IR 13", "ISO 2022 IR 13"),
    CharacterSet("ISO IR87", "iso2022_jp", "", "ISO 2022 IR 87"),
    CharacterSet("ISO IR159", "iso2022_jp_2", "", "ISO 2022 IR 159"),
    CharacterSet("KS X 1001", "euc_kr", "", "ISO 2022 IR 149"),
    CharacterSet("GB 18030-2000", "gb18030", "GB18030"),
    CharacterSet("BIG-5", "big5"),
    CharacterSet("UNICODE UTF-8", "utf_8", "ISO_IR 192"),
    CharacterSet("WINDOWS-1250", "cp1250"),
    CharacterSet("WINDOWS-1251", "cp1251"),
    CharacterSet("WINDOWS-1252", "cp1252"),
    CharacterSet("WINDOWS-1253", "cp1253"),
    CharacterSet("WINDOWS-1254", "cp1254"),
    CharacterSet("WINDOWS-1255", "cp1255"),
    CharacterSet("WINDOWS-1256", "cp1256"),
    CharacterSet("WINDOWS-1257", "cp1257"),
    CharacterSet("WINDOWS-1258", "cp1258"),
)

CHARACTER_SETS = _TABLE
"""Every supported set, by its name in table 0211."""
_ALIASES = {
    "US-ASCII": "ASCII",
    "ISO IR6": "ASCII",
    "UTF-8": "UNICODE UTF-8",
    "UNICODE": "UNICODE UTF-8",
    "ISO IR192": "UNICODE UTF-8",
    "LATIN1": "8859/1",
    "ISO 8859": "8859/1",
    "GB18030": "GB 18030-2000",
    "GBK": "GB 18030-2000",
    "GB2312": "GB 18030-2000",
    "EUC-KR": "KS X 1001",
    "KSC 5601": "KS X 1001",
    "ISO IR149": "KS X 1001",
    "ISO 2022 JP": "ISO IR87",
    "JIS X 0208": "ISO IR87",
    "JIS X 0201": "ISO IR14",
    "SHIFT JIS": "ISO IR14",
    "JIS X 0212": "ISO IR159",
    "BIG5": "BIG-5",
    "TIS-620": "8859/11",
    **{f"CP125{n}": f"WINDOWS-125{n}" for n in range(9)},
}


def _key(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def _index() -> dict[str, CharacterSet]:
    named = {_key(row.hl7_name): row for row in _TABLE}
    index = named | {_key(alias): named[_key(name)] for alias, name in _ALIASES.items()}
    for row in _TABLE:
        if row.hl7_name.startswith("8859"):
            index[_key("ISO " + row.hl7_name)] = row
        for term in (row.dicom_term, row.extension_term):
            index.setdefault(_key(term), row)
    index.pop("", None)
    return index


_BY_NAME = _index()
ASCII = _BY_NAME["ASCII"]
UTF_8 = _BY_NAME["UTF8"]


def find(name: str) -> CharacterSet | None:
    """The set of that name: table 0211, an alias of it, or a DICOM term. None when Python has no codec for it.

    CNS 11643-1992 has none; UTF-16 and UTF-32 contain the framing bytes and cannot travel over MLLP.
    """
    return _BY_NAME.get(_key(name))


_UNICODE = ("ISO_IR 192",)
_SWITCHING = frozenset({"iso2022_jp", "iso2022_jp_2", "shift_jis", "euc_kr"})


@dataclass(frozen=True, slots=True)
class MessageCharset:
    """The character sets of one message: the first repetition of MSH-18, and alternates reached by ISO 2022 escapes."""

    default: CharacterSet = ASCII
    alternates: tuple[CharacterSet, ...] = ()

    @property
    def codec(self) -> str:
        """The Python codec that encodes an answer to this message."""
        return self.default.codec

    @property
    def dicom_terms(self) -> tuple[str, ...]:
        """Specific Character Set values that can hold this message's text; ISO_IR 192 where nothing narrower can."""
        if not self.alternates:
            row = self.default
            if row is ASCII:
                return ()
            return (row.dicom_term,) if row.dicom_term else ("", row.extension_term) if row.extension_term else _UNICODE
        terms = [row.extension_term for row in (self.default, *self.alternates)]
        return tuple(terms) if all(terms) else _UNICODE

    @property
    def upper_half(self) -> str:
        """The codec of bytes above 0x7F while no escape says otherwise; the ISO 2022 Japanese sets start in ASCII."""
        return "ascii" if self.codec.startswith("iso2022") else self.codec

    def decode(self, raw: bytes) -> str:
        """Bytes to text. Errors: UnicodeDecodeError; nothing is replaced silently."""
        if b"\x1b" not in raw:
            return raw.decode(self.codec)
        if self.alternates or self.codec in _SWITCHING:
            return iso2022.decode(raw, self.upper_half)
        try:
            # undeclared switches are read when they are known ones; any other escape character is just a character
            return iso2022.decode(raw, self.upper_half)
        except UnicodeDecodeError:
            return raw.decode(self.codec)


PLAIN = MessageCharset()
"""ASCII and nothing else."""


def resolve(names: Sequence[str]) -> MessageCharset | None:
    """The sets named by the repetitions of MSH-18, empty names meaning ASCII. None when a name is not supported."""
    rows = [find(name) if name.strip() else ASCII for name in names] or [ASCII]
    found = [row for row in rows if row is not None]
    if len(found) < len(rows):
        return None
    return MessageCharset(found[0], tuple(found[1:]))
