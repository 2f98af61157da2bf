"""What happens to values longer than DICOM can hold (mapping reference, section 10).

Owns: the four policies.  Must not: touch identifiers, other than to refuse or keep them whole.
"""

import textwrap
import unicodedata
from enum import StrEnum

from broker.intake.environment import Environment, Unusable


class LongPolicy(StrEnum):
    """What a mapping may write after ``long``."""

    REFUSE = "refuse"
    KEEP = "keep"
    CUT = "cut"
    SPLIT = "split"


def fit(text: str, limit: int, policy: LongPolicy, env: Environment) -> list[str]:
    """``text`` as one value of at most ``limit`` characters, as several (SPLIT), or whole (KEEP).

    Raises Unusable under REFUSE.
    """
    if len(text) <= limit:
        return [text]
    match policy:
        case LongPolicy.REFUSE:
            raise Unusable(f"longer than the {limit} characters DICOM allows; it is never cut: send a shorter one")
        case LongPolicy.KEEP:
            env.warn(f"longer than the {limit} characters DICOM allows; kept whole")
            return [text]
        case LongPolicy.SPLIT:
            return textwrap.wrap(text, limit)
        case LongPolicy.CUT:
            env.warn(f"cut to the {limit} characters DICOM allows")
            return [cut(text, limit)]


def cut(text: str, limit: int) -> str:
    """The first ``limit`` characters, without half a combined character at the end."""
    end = limit
    while end > 0 and end < len(text) and unicodedata.combining(text[end]):
        end -= 1
    return text[:end].rstrip()
