"""CE, CWE and CNE: coded entries (HL7 2.5.1 sections 2.A.9, 2.A.13, 2.A.8).

Owns: their components. Must not: translate coding schemes.
"""

from __future__ import annotations

from dataclasses import dataclass

from hl7.elements import Element


@dataclass(frozen=True, slots=True)
class Coded:
    """A code with its text and scheme, and the sender's alternate for it. CE has no versions and no original text."""

    code: str
    text: str = ""
    scheme: str = ""
    version: str = ""
    original_text: str = ""
    alternate: Coded | None = None

    @property
    def meaning(self) -> str:
        """The best text there is: text, original text, else the code."""
        return self.text or self.original_text or self.code


def read_coded(element: Element) -> Coded | None:
    """Read a coded entry. A code may be missing while a text is there (free text), or only the alternate be given."""
    if not element.raw:
        return None
    alternate: Coded | None = None
    if element.part(4) or element.part(5):
        alternate = Coded(element.part(4), element.part(5), element.part(6), element.part(8))
    code, text, original = element.part(1), element.part(2), element.part(9)
    if not (code or text or original or alternate):
        return None
    return Coded(code, text, element.part(3), element.part(7), original, alternate)
