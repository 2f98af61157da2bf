"""Unicode to the bytes of a Specific Character Set (0008,0005), and which set an answer is written in.

Never loses a character silently: what a set cannot say raises UnicodeEncodeError, and the next set is tried.
Sources: PS3.5 section 6.1.2, PS3.3 C.12.1.1.2, worklist reference section 6.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pydicom.charset import ENCODINGS_TO_CODES, python_encoding

from broker.dicom.texts import proper_term

UTF_8 = "ISO_IR 192"
#: terms that stand for the default repertoire
DEFAULT_REPERTOIRE = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})

#: policies of devices: the least set that suffices, and letters without accents
LEAST, ASCII_ONLY = "least", "ascii"
#: single-byte sets, the most common first (PS3.3 Table C.12-2)
_USUAL_SETS = (
    "ISO_IR 100", "ISO_IR 101", "ISO_IR 144", "ISO_IR 126", "ISO_IR 127", "ISO_IR 138", "ISO_IR 148", "ISO_IR 109",
    "ISO_IR 110", "ISO_IR 166", "ISO_IR 13",
)  # fmt: skip
#: what ends a code extension (PS3.5 section 6.1.2.5.3); names have delimiters of their own besides
_DELIMITER = re.compile(r"([\\\r\n\f\t])")
_NAME_DELIMITER = re.compile(r"([\\\r\n\f\t^=])")
_ESCAPES = re.compile(rb"\x1b(?:\$\(?|[(.\-])?.")
#: G0 sets whose codec writes its own escape sequences, and those each may use
_SELF_ESCAPED = {
    "iso2022_jp": frozenset({b"\x1b$B", b"\x1b(B"}),
    "iso2022_jp_2": frozenset({b"\x1b$(D", b"\x1b(B"}),
}  # fmt: skip
_TO_ASCII, _TO_JIS_ROMAN = b"\x1b(B", b"\x1b(J"
_KATAKANA = re.compile(r"[\x20-\x5b\x5d-\x7d\r\n\f\t\u00a5\u203e\uff61-\uff9f\\]*")


def romanised(letters: str, spellings: str) -> dict[str, str]:
    """Each letter, small and capital, with its spelling (``_`` for none), much as in passports (ICAO 9303)."""
    pairs = [(letter, "" if s == "_" else s) for letter, s in zip(letters, spellings.split(), strict=True)]
    return dict(pairs) | {letter.upper(): s.capitalize() for letter, s in pairs if letter.upper() != letter}


#: letters that Unicode does not decompose
_SPELLED = {
    "ß": "ss", "ẞ": "SS", "Ø": "O", "ø": "o", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Ł": "L", "ł": "l", "Æ": "AE",
    "æ": "ae", "Œ": "OE", "œ": "oe", "Þ": "TH", "þ": "th", "ı": "i", "’": "'", "‘": "'", "“": '"', "”": '"', "–": "-",
    "—": "-",
    **romanised(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґў",
        "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g u",
    ),
    **romanised("αβγδεζηθικλμνξοπρσςτυφχψω", "a v g d e z i th i k l m n x o p r s s t y f ch ps o"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Charset:
    """One way to write text.  ``term``: the value of (0008,0005), empty when none is needed."""

    term: str
    #: Python codec of the first value, then those of the code extensions
    codecs: tuple[str, ...]
    #: letters that do not fit are written without accents where that is possible
    transliterates: bool = False

    def encode(self, text: str, *, name: bool = False) -> bytes:
        """The bytes of ``text``; ``name`` for PN.  Raises UnicodeEncodeError when the set cannot say it."""
        if text.isascii():
            return text.encode("ascii")
        if self.transliterates:
            text = self._transliterated(text)
            if name and not self._says(text):
                text = self._sayable_groups(text)
        if len(self.codecs) == 1:
            return _encode(text, self.codecs[0])
        parts = (_NAME_DELIMITER if name else _DELIMITER).split(text)
        return b"".join(self._extended(part) for part in parts)

    def _extended(self, part: str) -> bytes:
        """One run between delimiters: the first set if it suffices, else one extension, else several in turn."""
        for codec in self.codecs:
            try:
                return self._run(part, codec)
            except UnicodeEncodeError:
                continue
        return b"".join(self._run(run, codec) for run, codec in self._runs(part))

    def _run(self, text: str, codec: str) -> bytes:
        encoded = _encode(text, codec)
        if codec == self.codecs[0]:
            return encoded
        if codec in _SELF_ESCAPED:
            # back to the first set, which is JIS X 0201 and not ASCII when IR 13 is declared (PS3.5 section H.3.2)
            return encoded.replace(_TO_ASCII, _TO_JIS_ROMAN) if self.codecs[0] == "shift_jis" else encoded
        return ENCODINGS_TO_CODES[codec] + encoded

    def _runs(self, part: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for character in part:
            codec = next((c for c in self.codecs if _fits(character, c)), None)
            if codec is None:
                raise UnicodeEncodeError(self.term, part, 0, len(part), "not in the character set")
            if found and found[-1][1] == codec:
                found[-1] = (found[-1][0] + character, codec)
            else:
                found.append((character, codec))
        return found

    def _says(self, text: str) -> bool:
        return all(any(_fits(c, codec) for codec in self.codecs) for c in text)

    def _sayable_groups(self, name: str) -> str:
        """Ideographic and phonetic groups that cannot be said are left out; the name must keep one."""
        kept = [group if self._says(group) else "" for group in name.split("=")]
        sayable = "=".join(kept).rstrip("=")
        return sayable if sayable.strip("^= ") else name

    def _transliterated(self, text: str) -> str:
        return "".join(c if self._says(c) else self._plainer(c) for c in text)

    def _plainer(self, character: str) -> str:
        """Without its accents in its own script, else spelled in Latin letters: no Greek name with a Latin i in it."""
        bare = _bare(character)
        return bare if bare and self._says(bare) else _spelled(character)


ASCII = Charset("", ("ascii",))


@lru_cache(maxsize=256)
def charset(term: str) -> Charset | None:
    """The character set of a value of (0008,0005), values separated by backslash; None when it is not known."""
    values = [proper_term(value) for value in term.split("\\")]
    if not all(value in python_encoding for value in values):
        return None
    codecs = tuple(dict.fromkeys("ascii" if v in DEFAULT_REPERTOIRE else python_encoding[v] for v in values))
    if codecs == ("ascii",):
        return ASCII
    return Charset("\\".join(values), codecs)


@lru_cache(maxsize=1024)
def choices(device: str, requested: str, site: str) -> tuple[Charset, ...]:
    """The sets to try for an answer, in order: least necessary, then the device's, or the request's and the site's.

    A set that is configured for the device is tried a second time with accents left out, before UTF-8.  ``device`` may
    be a policy too: ``least`` (the first of the usual single-byte sets that suffices) or ``ascii``.
    """
    found = [ASCII]
    own = charset("ISO_IR 6" if device == ASCII_ONLY else device) if device and device != LEAST else None
    if own is not None:
        found += [own, Charset(own.term, own.codecs, transliterates=True)]
    else:
        terms = (requested, *_USUAL_SETS) if device == LEAST else (requested, site)
        found += [known for term in terms if term and (known := charset(term)) is not None]
    utf_8 = charset(UTF_8)
    return tuple(dict.fromkeys([*found, *([utf_8] if utf_8 else [])]))


def _encode(text: str, codec: str) -> bytes:
    special = _SPECIAL.get(codec)
    return special(text, codec) if special else text.encode(codec)


def _jis_x_0201(text: str, codec: str) -> bytes:
    """The codec knows far more than half-width katakana and JIS Roman letters, which is all this set has."""
    if _KATAKANA.fullmatch(text) is None:
        raise UnicodeEncodeError(codec, text, 0, len(text), "not in JIS X 0201")
    return text.encode(codec)


def _self_escaped(text: str, codec: str) -> bytes:
    encoded = text.encode(codec)
    if not _SELF_ESCAPED[codec].issuperset(_ESCAPES.findall(encoded)):
        raise UnicodeEncodeError(codec, text, 0, len(text), "needs a set that is not declared")
    return encoded


_SPECIAL: dict[str, Callable[[str, str], bytes]] = {
    "shift_jis": _jis_x_0201, "iso2022_jp": _self_escaped, "iso2022_jp_2": _self_escaped,
}  # fmt: skip


@lru_cache(maxsize=8192)
def _fits(character: str, codec: str) -> bool:
    try:
        _encode(character, codec)
    except UnicodeEncodeError:
        return False
    return True


def _bare(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def _spelled(character: str) -> str:
    """In Latin letters; itself when there is no plainer form."""
    if character in _SPELLED:
        return _SPELLED[character]
    return "".join(_SPELLED.get(c, c) for c in _bare(character)) or character
