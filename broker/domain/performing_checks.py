"""Checking a data set against rows of the performed table: presence by type, and the form of values.

Collects everything that is wrong, so that a refusal names all offending attributes of its kind at once.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

from broker.domain import dicom_json
from broker.domain.attributes import VR_LIMITS
from broker.domain.dicom_json import Dataset
from broker.domain.identifiers import valid_uid
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import TAG, PerformedAttribute

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?\Z")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
_DATE = re.compile(r"\d{8}\Z")
#: refusals name the graver kind first
_GRAVITY = (PerformedFault.MISSING, PerformedFault.EMPTY, PerformedFault.INVALID, PerformedFault.NOT_SETTABLE)
#: the types whose absence is checked (1, and 2: may be empty)
_ASKED = frozenset({"1", "2"})
#: what the device repeats from its worklist: a value that was sent too long may come back so
_ECHOED = "ScheduledStepAttributesSequence>"


def _is_date(text: str) -> bool:
    if not _DATE.match(text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


_FORMS: Mapping[str, Callable[[str], bool]] = {
    "DA": _is_date,
    "TM": lambda text: _TIME.match(text) is not None,
    "DS": lambda text: _DECIMAL.match(text) is not None,
    "UI": valid_uid,
}


class Findings:
    """What one request does wrong: faults, and breaches that ``tolerate`` lets pass."""

    def __init__(self, tolerate: frozenset[Quirk]) -> None:
        self._tolerate = tolerate
        self._faults: list[tuple[PerformedFault, str, int]] = []
        self._tolerated: dict[Toleration, None] = {}

    @property
    def tolerated(self) -> tuple[Toleration, ...]:
        """What was let pass, in the order it was found."""
        return tuple(self._tolerated)

    def fault(self, fault: PerformedFault, path: str, tag: int) -> None:
        """Note something that refuses the request."""
        self._faults.append((fault, path, tag))

    def allows(self, quirk: Quirk) -> bool:
        """True when the policy lets this breach pass; nothing is noted."""
        return quirk in self._tolerate

    def tolerates(self, quirk: Quirk, path: str) -> bool:
        """True, and noted, when the policy lets this breach pass."""
        if quirk in self._tolerate:
            self._tolerated[Toleration(quirk, path)] = None
            return True
        return False

    def breach(self, quirk: Quirk, fault: PerformedFault, path: str, tag: int) -> None:
        """Let pass or note as a fault, as the policy says."""
        if not self.tolerates(quirk, path):
            self.fault(fault, path, tag)

    def created_empty(self, row: PerformedAttribute | None) -> bool:
        """True when the absent attribute counts as created empty, because its absence was let pass at N-CREATE."""
        return row is not None and row.create.startswith("2") and Quirk.MISSING_TYPE_2 in self._tolerate

    def refuse(self) -> None:
        """Raises PerformedRefusal with the gravest kind of fault and every attribute that has it."""
        for kind in _GRAVITY:
            found = {path: tag for fault, path, tag in self._faults if fault is kind}
            if found:
                raise PerformedRefusal(kind, tuple(found), tuple(found.values()))

    def check(self, dataset: Dataset, rows: tuple[PerformedAttribute, ...], column: str, prefix: str = "") -> None:
        """Check ``dataset`` against the ``create``, ``update`` or ``final`` column of ``rows``, sequences included."""
        for row in rows:
            element = dataset.get(row.key)
            if not dicom_json.is_filled(element):
                if row.asked[column] in _ASKED:
                    self._check_absence(row, f"{prefix}{row.keyword}", row.asked[column], present=element is not None)
            elif row.vr != "SQ":
                self._check_form(dicom_json.texts_of(element), row, prefix)
            elif row.items:
                for item in dicom_json.items_of(element):
                    self.check(item, row.items, column, f"{prefix}{row.keyword}>")

    def check_times(self, dataset: Dataset) -> None:
        """The end is not before the start (MPPS reference, section 6.4: let pass and flagged by default)."""
        start, end = moment(dataset, "Start"), moment(dataset, "End")
        if start and end and end < start:
            self.breach(
                Quirk.END_BEFORE_START, PerformedFault.INVALID, "PerformedProcedureStepEndTime",
                TAG["PerformedProcedureStepEndTime"],
            )  # fmt: skip

    def _check_absence(self, row: PerformedAttribute, path: str, asked: str, *, present: bool) -> None:
        if asked == "1":
            if row.keyword == "CodeMeaning" and self.tolerates(Quirk.CODE_WITHOUT_MEANING, path):
                return
            self.fault(PerformedFault.EMPTY if present else PerformedFault.MISSING, path, row.tag)
        elif not present:
            self.breach(Quirk.MISSING_TYPE_2, PerformedFault.MISSING, path, row.tag)

    def _check_form(self, found: tuple[str, ...], row: PerformedAttribute, prefix: str) -> None:
        correct = _FORMS.get(row.vr)
        wrong_form = correct is not None and not all(map(correct, found))
        if wrong_form or (row.terms and not row.terms.issuperset(found)):
            self.fault(PerformedFault.INVALID, f"{prefix}{row.keyword}", row.tag)
        elif _too_long(row.vr, found):
            path = f"{prefix}{row.keyword}"
            if path.startswith(_ECHOED):
                self._tolerated[Toleration(Quirk.OVERSIZE, path)] = None
            else:
                self.breach(Quirk.OVERSIZE, PerformedFault.INVALID, path, row.tag)


def _too_long(vr: str, texts: tuple[str, ...]) -> bool:
    limit = VR_LIMITS.get(vr)
    if limit is None or len(max(texts, key=len, default="")) <= limit:
        return False
    return any(len(part) > limit for text in texts for part in (text.split("=") if vr == "PN" else (text,)))


def moment(dataset: Dataset, which: str) -> str:
    """The ``Start`` or ``End`` of a performed step as ``YYYYMMDDHHMMSS`` in the device's local time, or empty."""
    day = dicom_json.text(dataset, TAG[f"PerformedProcedureStep{which}Date"])
    time = dicom_json.text(dataset, TAG[f"PerformedProcedureStep{which}Time"])
    if not _is_date(day):
        return ""
    whole = time.partition(".")[0] if _TIME.match(time) else ""
    return day + whole.ljust(6, "0")
