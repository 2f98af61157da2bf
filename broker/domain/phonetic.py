"""How names sound: one short code for spellings that registration desks mix up (Meyer, Maier, Meier).

Made for negotiated fuzzy matching (PS3.4 K.5), which leaves the method to us: spelling habits of European languages are
levelled, then consonants are put into classes and vowels dropped.  Text in other scripts is its own code.
"""

import re

from broker.domain.names import fold
from broker.domain.query import Sounds

#: spelling to sound, in this order
_SPELLINGS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[^a-z]", ""), (r"sch|sh|sz", "s"), (r"tsch|tch|ch", "k"), (r"ph|pf", "f"), (r"th|dt", "t"), (r"ck", "k"),
        (r"gh", "g"), (r"wr", "r"), (r"kn|gn", "n"), (r"x", "ks"), (r"z", "s"), (r"c(?=[eiy])", "s"), (r"h", ""),
    )
)  # fmt: skip
_CLASSES = {
    **dict.fromkeys("aeiouyj", "a"), **dict.fromkeys("bp", "b"), **dict.fromkeys("fvw", "f"),
    **dict.fromkeys("ckgq", "k"), **dict.fromkeys("dt", "t"), "l": "l", **dict.fromkeys("mn", "n"), "r": "r", "s": "s",
}  # fmt: skip


def sound(text: str) -> str:
    """The code of one name component; empty for an empty one."""
    plain = fold(text)
    if not plain.isascii():
        return plain
    letters = plain
    for pattern, replacement in _SPELLINGS:
        letters = pattern.sub(replacement, letters)
    classes = re.sub(r"(.)\1+", r"\1", "".join(_CLASSES[letter] for letter in letters))
    return classes[:1] + classes[1:].replace("a", "") if classes else plain


def sounds_of_key(group: str) -> Sounds | None:
    """The sounds that one component group of a key asks for; None when its wildcards leave no whole component."""
    components = []
    for part in group.split("^"):
        plain = part.rstrip("*")
        if "*" in plain or "?" in plain:
            return None
        components.append((sound(plain), plain != part))
    return Sounds(tuple(components)) if any(code for code, _ in components) else None


def sounds_like(group: str, asked: Sounds) -> bool:
    """True when every component that is asked for sounds so in ``group``, one component group of a name."""
    parts = group.split("^")
    for number, (code, beginning) in enumerate(asked.components):
        own = sound(parts[number]) if number < len(parts) else ""
        if code and not (own.startswith(code) if beginning else own == code):
            return False
    return True
