"""Choosing the character set of a received message, also when its label is missing or wrong.

Owns: the order of belief: override, MSH-18, valid UTF-8, fallback, refusal. Must not: replace characters.
"""

from __future__ import annotations

from hl7.charset import ASCII, UTF_8, MessageCharset, find, resolve
from hl7.delimiters import Delimiters
from hl7.errors import AckCode, ContentError, Location

_MSH_18 = Location("MSH", 1, 18)
_UTF_8 = MessageCharset(UTF_8)
_LATIN_1 = "iso8859_1"


def choose(
    body: bytes, delimiters: Delimiters, override: str | None, fallback: str | None, warnings: list[str]
) -> MessageCharset:
    """The set that decodes `body` (proved by decoding). What was guessed is added to `warnings`.

    Errors: ValueError for an `override` or `fallback` we do not know; ContentError 102 for undecodable bytes, 103 (AR)
    for a set that is not supported.
    """
    if override is not None:
        charset = _configured(override)
        _require(body, charset, delimiters, "set another character set for this sender")
        return charset
    names = declared(body, delimiters)
    charset_or_none = resolve(names)
    if charset_or_none is None:
        return _unsupported(body, fallback, warnings)
    if body.isascii() and b"\x1b" not in body:
        return charset_or_none
    return _proved(body, charset_or_none, delimiters, fallback, warnings)


def declared(body: bytes, delimiters: Delimiters) -> list[str]:
    """The repetitions of MSH-18; they name sets in ASCII whatever the rest is written in."""
    header = body.split(b"\r", 1)[0].split(b"\n", 1)[0].decode("latin_1").split(delimiters.field)
    text = header[17] if len(header) > 17 else ""
    return text.split(delimiters.repetition) if delimiters.repetition else [text]


def _configured(name: str) -> MessageCharset:
    row = find(name)
    if row is None:
        raise ValueError(f"{name!r} is no character set this program knows: use a name of HL7 table 0211")
    return MessageCharset(row)


def _unsupported(body: bytes, fallback: str | None, warnings: list[str]) -> MessageCharset:
    if fallback is not None and _decodes(body, _configured(fallback)):
        warnings.append("MSH-18 names an unsupported character set: decoded with this sender's fallback")
        return _configured(fallback)
    if body.isascii():
        warnings.append("MSH-18 names an unsupported character set: the text is plain ASCII all the same")
        return MessageCharset(ASCII)
    text = "the character set is not supported: send UNICODE UTF-8, or set an override for this sender"
    raise ContentError(text, error_code="103", location=_MSH_18, ack_code=AckCode.AR)


def _proved(
    body: bytes, charset: MessageCharset, delimiters: Delimiters, fallback: str | None, warnings: list[str]
) -> MessageCharset:
    fits = _decodes(body, charset)
    could_be_utf_8 = charset.default is not UTF_8 and b"\x1b" not in body and _decodes(body, _UTF_8)
    if could_be_utf_8 and (not fits or _looks_mislabelled(body, charset)):
        named = "no character set beyond ASCII" if charset.default is ASCII else charset.default.hl7_name
        warnings.append(f"MSH-18 names {named}, but the text is UTF-8: decoded as UTF-8")
        return _UTF_8
    if fits:
        return charset
    if fallback is not None and _decodes(body, _configured(fallback)):
        warnings.append("the text does not fit MSH-18: decoded with this sender's fallback character set")
        return _configured(fallback)
    _require(body, charset, delimiters, "state the right character set in MSH-18, or set a fallback for this sender")
    return charset


def _looks_mislabelled(body: bytes, charset: MessageCharset) -> bool:
    """Text of a single-byte set that is valid UTF-8 by accident does exist ("KÓŁKO" in 8859/2 is one).

    In 8859/1 the accident needs an accented capital before a sign such as § or », so valid UTF-8 is believed. Elsewhere
    it is believed when every character it yields belongs to the declared set, which an accident hardly achieves.
    """
    if charset.default.codec == _LATIN_1:
        return True
    if not charset.default.codec.startswith(("iso8859", "cp125")):
        return False
    try:
        body.decode("utf_8").encode(charset.default.codec)
    except UnicodeEncodeError:
        return False
    return True


def _decodes(body: bytes, charset: MessageCharset) -> bool:
    try:
        charset.decode(body)
    except UnicodeDecodeError:
        return False
    return True


def _require(body: bytes, charset: MessageCharset, delimiters: Delimiters, remedy: str) -> None:
    """Errors: ContentError 102 at the field of the first byte that is not text in `charset`."""
    try:
        charset.decode(body)
    except UnicodeDecodeError as error:
        start = error.start if error.object == body else 0
        place = _place(body[:start], delimiters) if start else _MSH_18
        text = f"bytes are not valid in {charset.default.hl7_name}: {remedy}"
        raise ContentError(text, error_code="102", location=place) from None


def _place(before: bytes, delimiters: Delimiters) -> Location:
    """Segment, occurrence and field in which `before` ends."""
    lines = before.replace(b"\n", b"\r").split(b"\r")
    names = [line[:3].decode("latin_1").upper() for line in lines]
    fields = lines[-1].count(delimiters.field.encode("latin_1"))
    field = fields + 1 if names[-1] == "MSH" else fields
    return Location(names[-1], names.count(names[-1]), field or None)
