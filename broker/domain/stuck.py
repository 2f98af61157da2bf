"""How long a step may be in progress without a word, and what a rule may do then.  The site's choices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from broker.domain.attributes import SPS_SEQUENCE, Attributes, items_of, text
from broker.domain.inferring import Saying
from broker.domain.states import StepStatus

#: "Discontinued for unspecified reason" (CID 9300): nobody said why
UNSPECIFIED = "110513"


@dataclass(frozen=True, slots=True)
class StuckPolicy:
    """Limits by procedure code, else by modality, else one for all; None never.

    Codes are bare, or ``code^scheme``.  A step of several codes has the longest of their limits.
    """

    limit: timedelta | None = timedelta(hours=3)
    modalities: Mapping[str, timedelta | None] = field(default_factory=dict)
    codes: Mapping[str, timedelta | None] = field(default_factory=dict)
    #: how long after people were alarmed a rule closes the step; None: only people do
    apply_after: timedelta | None = None
    apply_as: StepStatus = StepStatus.COMPLETED

    def limit_for(self, modality: str, codes: Iterable[str]) -> timedelta | None:
        """How long a step of this modality and these codes may be silent; None: for ever."""
        own = [self.codes[code] for code in codes if code in self.codes]
        if own:
            return None if None in own else max(limit for limit in own if limit is not None)
        return self.modalities.get(modality, self.limit)

    @property
    def closing(self) -> Saying:
        """What the rule says of a step that it closes."""
        code = UNSPECIFIED if self.apply_as is StepStatus.DISCONTINUED else ""
        return Saying(self.apply_as, code, note="nothing was heard of the exam")


def codes_of(item: Attributes) -> list[str]:
    """The procedure and protocol codes of a worklist item, each bare and with its scheme."""
    inner = next(iter(items_of(item.get(SPS_SEQUENCE))), {})
    sequences = (item.get("RequestedProcedureCodeSequence"), inner.get("ScheduledProtocolCodeSequence"))
    found = [code for sequence in sequences for code in items_of(sequence)]
    pairs = ((text(code, "CodeValue"), text(code, "CodingSchemeDesignator")) for code in found)
    return [name for value, scheme in pairs if value for name in (value, f"{value}^{scheme}")]
