"""Bytes of text elements to Unicode, by Specific Character Set (0008,0005), code extensions included.

Never raises and never logs: what a character set cannot explain is replaced, and ``faulty`` says that it happened.
Sources: PS3.5 section 6.1.2, PS3.3 C.12.1.1.2.
"""

import re
from collections.abc import Sequence

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

_FRAGMENTS = re.compile(rb"[^\x1b]+|\x1b[^\x1b]*")
_ESCAPE = b"\x1b"
#: Python's codecs read these escape sequences themselves
_SELF_ESCAPED = frozenset({"iso2022_jp", "iso2022_jp_2"})
#: what sets a string back to its first character set (PS3.5 section 6.1.2.5.3)
_RESET = re.compile(rb"[\\\r\n\f\t]")
_RESET_IN_NAMES = re.compile(rb"[\\\r\n\f\t^=]")
_DEFAULT = "ascii"
#: terms as devices misspell them: "ISO-IR 100", "iso_ir_100", "ISO2022 IR 87"
_TERM = re.compile(r"ISO[ _-]?(2022[ _-]?)?IR[ _-]?(\d{1,3})", re.IGNORECASE)


def proper_term(term: str) -> str:
    """A value of Specific Character Set as PS3.3 C.12.1.1.2 spells it; as it is when it is not recognised."""
    found = _TERM.fullmatch(term.strip())
    if found is not None:
        return f"{'ISO 2022 IR' if found[1] else 'ISO_IR'} {found[2]}"
    return "ISO_IR 192" if term.strip().upper() in {"UTF-8", "UTF8"} else term.strip()


class TextDecoder:
    """Decodes the text of one data set (or item) that declares the character sets ``terms``."""

    def __init__(self, terms: Sequence[str] = ()) -> None:
        proper = [proper_term(term) for term in terms]
        self.faulty = any(term and term not in python_encoding for term in proper)
        known = [_codec(term) for term in proper if term in python_encoding]
        self._first = known[0] if known else _DEFAULT
        self._extensions = frozenset(known)

    def decode(self, value: bytes, *, name: bool = False) -> str:
        """The text of ``value``, backslashes still in it.  ``name``: PN, whose delimiters also end an extension."""
        if value.isascii() and _ESCAPE not in value:
            text = value.decode("ascii")
        elif _ESCAPE not in value:
            text = self._plain(value)
        else:
            reset = _RESET_IN_NAMES if name else _RESET
            text = "".join(self._fragment(part, reset) for part in _FRAGMENTS.findall(value))
        if "\0" in text.rstrip("\0 "):
            self.faulty = True
            text = text.rstrip("\0 ").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return text

    def _plain(self, value: bytes) -> str:
        """By the first set.  Text beyond ASCII without declared set is taken as UTF-8, else Latin-1, and flagged."""
        if self._first == _DEFAULT and not value.isascii():
            self.faulty = True
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return value.decode("latin-1")
        return self._strict(value, self._first)

    def _fragment(self, value: bytes, reset: re.Pattern[bytes]) -> str:
        if not value.startswith(_ESCAPE):
            return self._plain(value)
        length = 4 if value.startswith((b"\x1b$(", b"\x1b$)")) else 3
        codec = _python_name(CODES_TO_ENCODINGS.get(value[:length], ""))
        if codec not in self._extensions and value[:3] not in {b"\x1b(B", b"\x1b(J"}:
            self.faulty = True
            if not codec:
                return self._plain(value[1:])
            # an escape sequence says which set follows, whether it was declared or not
        if codec in _SELF_ESCAPED:
            return self._strict(value, codec)
        body = value[length:]
        found = reset.search(body)
        cut = found.start() if found else len(body)
        return self._strict(body[:cut], codec) + (self._plain(body[cut:]) if cut < len(body) else "")

    def _strict(self, value: bytes, codec: str) -> str:
        try:
            return value.decode(codec)
        except UnicodeDecodeError:
            self.faulty = True
            return value.decode(codec, errors="replace")


def _codec(term: str) -> str:
    return _DEFAULT if term in {"", "ISO_IR 6", "ISO 2022 IR 6"} else _python_name(python_encoding[term])


def _python_name(codec: str) -> str:
    """pydicom's names of codecs as Python's; its name of the default repertoire stands for Latin-1 in Python."""
    return {"iso8859": _DEFAULT, "UTF8": "utf-8"}.get(codec, codec)
