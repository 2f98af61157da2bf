"""Who we are to a receiver: a user with a password, or a token."""

from dataclasses import dataclass

from broker.delivery.signature import SecretSource


@dataclass(frozen=True, slots=True)
class Login:
    """``secret`` is the password of ``user``, or without a user a token; without a secret we say nothing."""

    user: str = ""
    secret: SecretSource | None = None

    def text(self) -> str:
        """The password or token as it stands now; empty without a secret.  Raises SecretError."""
        return self.secret.text() if self.secret else ""
