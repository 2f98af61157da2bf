"""Token searches of FHIR R4 (section 3.1.1.4.10): by a value of any system, of one system, or of none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: a comma between alternatives, a bar between system and value; either may be meant as such (3.1.1.4.1)
_COMMA, _BAR = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\([\\|,$])")


@dataclass(frozen=True, slots=True)
class Token:
    """What is searched.  ``system`` None: any; empty: an identifier without a system."""

    value: str
    system: str | None = None

    def found_in(self, resource: Mapping[str, object]) -> bool:
        """True when one of the resource's identifiers is meant."""
        identifiers = resource.get("identifier")
        return isinstance(identifiers, list) and any(map(self._is, identifiers))

    def _is(self, identifier: Mapping[str, object]) -> bool:
        system = identifier.get("system", "")
        return identifier.get("value") == self.value and self.system in (None, system)


def read_tokens(parameter: str) -> list[Token]:
    """The alternatives of one search parameter; none when it has no value."""
    return [token for part in _COMMA.split(parameter) if (token := _token(part)).value]


def _token(text: str) -> Token:
    first, *rest = (_ESCAPE.sub(r"\1", part) for part in _BAR.split(text, 1))
    return Token(rest[0], first) if rest else Token(first)
