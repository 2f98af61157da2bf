"""JSON columns as text: compact, UTF-8, by msgspec (an order message writes nine documents and reads as many).

Owns: the two functions the database engines are given.  Must not: know what the documents mean.
"""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def dumps(value: Any) -> str:
    """The JSON text of plain data.  Raises TypeError for objects that are none."""
    return _encoder.encode(value).decode()


def loads(text: str | bytes) -> Any:
    """Plain data of JSON text.  Raises ValueError when it is none."""
    return _decoder.decode(text)
