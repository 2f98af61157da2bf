"""Which station a scheduled step is for: its name and place follow its AE title.

Must not: know messages or catalogues; what a catalogue says comes in as derived attributes of a change.
"""

from collections.abc import Callable

from broker.domain.attributes import Attributes, Value
from broker.domain.model import StepChange

_TITLE = "ScheduledStationAETitle"
_FOLLOWERS = "ScheduledStationName", "ScheduledProcedureStepLocation"


def follow_station(
    before: Attributes, after: dict[str, Value], change: StepChange, is_filled: Callable[[str], bool]
) -> dict[str, Value]:
    """``after`` without the name and place of the old station when ``change`` gives the step to another one.

    Only what nobody stated goes (``is_filled``); a change that names the catalogue's own station brings it back.
    """
    if _TITLE not in change.attributes or before.get(_TITLE) == after.get(_TITLE):
        return after
    outdated = [k for k in _FOLLOWERS if k not in change.attributes and k in after and is_filled(k)]
    kept = {keyword: value for keyword, value in after.items() if keyword not in outdated}
    return {**kept, **{keyword: change.derived[keyword] for keyword in outdated if keyword in change.derived}}
