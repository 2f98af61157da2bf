"""The signature of webhooks by the Standard Webhooks scheme, version 1 (HMAC-SHA256 over ``id.timestamp.body``).

Owns where secrets come from (also those of other kinds of destinations) and how they are spelt.  A secret never
appears in a text, log or exception.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


class SecretError(Exception):
    """There is no usable secret; the text says where one was looked for."""


@dataclass(frozen=True, slots=True)
class SecretSource:
    """An environment variable, or a file, with a password or token, or with keys for signing.

    Keys are ``whsec_`` and base64, separated by white space.  While a key rotates both are listed, the newer first:
    every message then carries a signature by each.  A file is read anew each time, so that a change needs no restart.
    """

    variable: str = ""
    file: str = ""

    def secrets(self) -> list[bytes]:
        """The keys for signing.  Raises SecretError."""
        return [self._key(word) for word in self.text().split()]

    def text(self) -> str:
        """The password or token, without white space around it.  Raises SecretError."""
        text = self._text().strip()
        if not text:
            raise SecretError(f"{self._place()} holds no secret")
        return text

    def _place(self) -> str:
        return f"the environment variable {self.variable}" if self.variable else self.file

    def _text(self) -> str:
        if self.variable:
            return os.environ.get(self.variable, "")
        try:
            return Path(self.file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretError(f"{self.file} cannot be read ({type(error).__name__})") from None

    def _key(self, word: str) -> bytes:
        try:
            key = base64.b64decode(word.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _SHORTEST <= len(key) <= _LONGEST:
            text = f"a secret is {_PREFIX} and the base64 of {_SHORTEST} to {_LONGEST} random bytes"
            raise SecretError(f"{self._place()}: {text}")
        return key


def sign(message_id: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> str:
    """The value of ``webhook-signature``: one ``v1,`` signature for each secret, separated by spaces."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
