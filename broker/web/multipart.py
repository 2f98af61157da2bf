"""multipart/related bodies (RFC 2387): taking the one document out of a request, putting documents into an answer."""

import secrets
from collections.abc import Sequence

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

_MOST_PARTS = 2
_PLAIN_ENCODINGS = ("", "binary", "8bit", "7bit")


class MultipartError(ValueError):
    """The body is not one multipart document; the text says what is wrong."""


class _Parts:
    """Collects the parts that the parser finds."""

    def __init__(self) -> None:
        self.found: list[tuple[dict[str, str], bytearray]] = []
        self.ended = False
        self._name, self._value = bytearray(), bytearray()

    def begin(self) -> None:
        if len(self.found) == _MOST_PARTS:
            raise MultipartError("there are several parts; send one document")
        self.found.append(({}, bytearray()))

    def data(self, data: bytes, start: int, end: int) -> None:
        self.found[-1][1].extend(data[start:end])

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self.found[-1][0][self._name.decode("latin-1").lower()] = self._value.decode("latin-1").strip()
        self._name, self._value = bytearray(), bytearray()

    def end(self) -> None:
        self.ended = True


def single_part(body: bytes, boundary: str) -> tuple[str, bytes]:
    """The media type (empty when it names none) and the content of the only part.  Raises MultipartError."""
    if not 0 < len(boundary) <= 70 or not boundary.isascii():
        raise MultipartError("the header Content-Type names no boundary of 1 to 70 characters")
    parts = _Parts()
    parser = MultipartParser(boundary, {
        "on_part_begin": parts.begin, "on_part_data": parts.data, "on_header_field": parts.header_field,
        "on_header_value": parts.header_value, "on_header_end": parts.header_end, "on_end": parts.end,
    })  # fmt: skip
    try:
        parser.write(body)
    except MultipartParseError as error:
        raise MultipartError(f"the parts cannot be told apart, at byte {error.offset}") from None
    if not parts.ended:
        raise MultipartError("the closing boundary is missing")
    if len(parts.found) != 1:
        raise MultipartError("there are several parts; send one document")
    headers, content = parts.found[0]
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_ENCODINGS:
        raise MultipartError("the part has a Content-Transfer-Encoding; send it as it is")
    return headers.get("content-type", ""), bytes(content)


def joined(media_type: str, documents: Sequence[bytes]) -> tuple[str, bytes]:
    """The header Content-Type and the body of an answer with these documents, one part each."""
    boundary = secrets.token_hex(16)
    head = f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode()
    body = b"".join(head + document + b"\r\n" for document in documents) + f"--{boundary}--\r\n".encode()
    return f'multipart/related; type="{media_type}"; boundary={boundary}', body
