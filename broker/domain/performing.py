"""What MPPS requests are allowed to do: creation, update and final state (PS3.4 F.7.2; MPPS reference 2 and 3).

Works on data sets of the DICOM JSON Model.  Decides only; storing, linking and telling are the services' business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache

from broker.domain import dicom_json
from broker.domain.dicom_json import Dataset
from broker.domain.identifiers import valid_uid
from broker.domain.model import FactKind
from broker.domain.performed_faults import DEFAULT_TOLERATED, PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import TABLE, TAG, PerformedAttribute
from broker.domain.performing_checks import Findings
from broker.domain.performing_reasons import Consequence
from broker.domain.series_parts import united_series
from broker.domain.states import OrderStatus, PerformedStatus, Reopening

STATUS_TAG = TAG["PerformedProcedureStepStatus"]
_STATUS = "PerformedProcedureStepStatus"
_SCHEDULED = TAG["ScheduledStepAttributesSequence"]
_SERIES = TAG["PerformedSeriesSequence"]
_CHARACTER_SET = TAG["SpecificCharacterSet"]
_TERMS = {status.value: status for status in PerformedStatus}


@dataclass(frozen=True, slots=True)
class PerformedPolicy:
    """The site's choices where devices leave the standard, and what a discontinuation reason means here."""

    tolerate: frozenset[Quirk] = DEFAULT_TOLERATED
    #: the site's own consequences by reason (bare code for DCM, else ``code^scheme``); they go before the table
    reasons: Mapping[str, Consequence] = field(default_factory=dict)
    #: what single devices are let pass beyond ``tolerate``, by calling AE title
    devices: Mapping[str, frozenset[Quirk]] = field(default_factory=dict)
    reopen: Reopening = Reopening.ALWAYS
    #: silence after which an exam without an end is concluded by its images; None: never
    conclude_by_images: timedelta | None = None

    def of_device(self, calling_ae_title: str) -> "PerformedPolicy":
        """The policy as it stands for one device: the site's tolerations and its own."""
        own = self.devices.get(calling_ae_title)
        return replace(self, tolerate=self.tolerate | own) if own else self


@dataclass(frozen=True, slots=True)
class PerformedDecision:
    """The object as it should be stored, its state, and what was let pass."""

    dataset: Dataset
    status: PerformedStatus
    tolerated: tuple[Toleration, ...] = ()


def check_instance_uid(sop_instance_uid: str) -> None:
    """Raises PerformedRefusal (INVALID_UID) when the UID is not one."""
    if not valid_uid(sop_instance_uid):
        raise PerformedRefusal(PerformedFault.INVALID_UID)


def decide_create(dataset: Dataset, policy: PerformedPolicy) -> PerformedDecision:
    """The performed step that N-CREATE begins.  Raises PerformedRefusal: MISSING, EMPTY or INVALID."""
    findings = Findings(policy.tolerate)
    status = _status(dataset, findings)
    if status is not None and status.final and not findings.tolerates(Quirk.FINAL_AT_CREATE, _STATUS):
        findings.fault(PerformedFault.INVALID, _STATUS, STATUS_TAG)
    findings.check(dataset, _rows_to_create(dataset, findings), "create")
    if status is None:
        findings.fault(_absent(dataset), _STATUS, STATUS_TAG)
    findings.refuse()
    stored = _normalised(dataset, status)
    if status is not None and status.final:
        _check_final(stored, status, findings)
    return PerformedDecision(stored, status or PerformedStatus.IN_PROGRESS, findings.tolerated)


def decide_set(
    present: Dataset, present_status: PerformedStatus, update: Dataset, policy: PerformedPolicy
) -> PerformedDecision:
    """The performed step after N-SET.  Raises PerformedRefusal: FINAL, EMPTY, MISSING, INVALID or NOT_SETTABLE.

    A sequence replaces the stored one as a whole; an absent status changes no state (MPPS reference, 3.5 and 2).
    """
    findings = Findings(policy.tolerate)
    if present_status.final and not findings.tolerates(Quirk.LATE_SET, ""):
        raise PerformedRefusal(PerformedFault.FINAL)
    status = _status(update, findings)
    if present_status.final and status not in (None, present_status):
        raise PerformedRefusal(PerformedFault.FINAL)
    if status is None and dicom_json.is_present(update, STATUS_TAG):
        findings.fault(_absent(update), _STATUS, STATUS_TAG)
    findings.check(update, _rows("settable", STATUS_TAG), "update")
    changes = _settable(present, update, findings)
    findings.refuse()
    if findings.allows(Quirk.SERIES_IN_PARTS) and (united := united_series(present, update)):
        findings.tolerates(Quirk.SERIES_IN_PARTS, "PerformedSeriesSequence")
        changes[dicom_json.key_of(_SERIES)] = united
    after = status or present_status
    merged = _normalised({**present, **changes}, status)
    if after.final:
        _check_final(merged, after, findings)
    return PerformedDecision(merged, after, findings.tolerated)


def order_fact(before: OrderStatus, after: OrderStatus) -> FactKind | None:
    """What others are told when the state of an order went from ``before`` to ``after`` through performed steps."""
    if before is after:
        return None
    return {
        OrderStatus.IN_PROGRESS: FactKind.ORDER_STARTED,
        OrderStatus.COMPLETED: FactKind.ORDER_COMPLETED,
        OrderStatus.DISCONTINUED: FactKind.ORDER_DISCONTINUED,
        OrderStatus.SCHEDULED: FactKind.ORDER_RETURNED,
        OrderStatus.CANCELED: None,
    }[after]


def _absent(dataset: Dataset) -> PerformedFault:
    """The fault of a status without usable value: unknown term, no value, or not there."""
    if dicom_json.has_value(dataset, STATUS_TAG):
        return PerformedFault.INVALID
    return PerformedFault.EMPTY if dicom_json.is_present(dataset, STATUS_TAG) else PerformedFault.MISSING


def _status(dataset: Dataset, findings: Findings) -> PerformedStatus | None:
    """The status that a data set gives; None when it gives none or an unknown one."""
    found = dicom_json.texts(dataset, STATUS_TAG)
    if len(found) != 1:
        return None
    if found[0] in _TERMS:
        return _TERMS[found[0]]
    lowered = _TERMS.get(found[0].upper())
    return lowered if lowered is not None and findings.tolerates(Quirk.LOWER_CASE_STATUS, _STATUS) else None


def _rows_to_create(dataset: Dataset, findings: Findings) -> tuple[PerformedAttribute, ...]:
    """The rows that N-CREATE is checked against; the status is judged apart."""
    without: tuple[int, ...] = (STATUS_TAG,)
    if not dicom_json.has_value(dataset, _SCHEDULED) and findings.tolerates(
        Quirk.NO_SCHEDULED_STEP, "ScheduledStepAttributesSequence"
    ):
        without += (_SCHEDULED,)
    return _rows("keyword", *without)


@lru_cache(64)
def _rows(mark: str, *without: int) -> tuple[PerformedAttribute, ...]:
    """The rows of the table that have something in the column or property ``mark``, but for some tags."""
    return tuple(row for row in TABLE.values() if getattr(row, mark) and row.tag not in without)


def _settable(present: Dataset, update: Dataset, findings: Findings) -> dict[str, dicom_json.Element]:
    """What of an update applies: nothing that only N-CREATE may give, and new attributes where that is let pass."""
    changes = {}
    for key, element in update.items():
        row = TABLE.get(int(key, 16))
        name = row.keyword if row else key
        if int(key, 16) == _CHARACTER_SET:
            continue
        if row is not None and not row.settable:
            if present.get(key) != element:
                findings.breach(Quirk.NOT_SETTABLE, PerformedFault.NOT_SETTABLE, name, row.tag)
            continue
        if key not in present and not findings.created_empty(row):
            findings.breach(Quirk.NOT_CREATED, PerformedFault.NOT_SETTABLE, name, int(key, 16))
        changes[key] = element
    return changes


def _normalised(dataset: Dataset, status: PerformedStatus | None) -> Dataset:
    """The data set as it is kept: text is Unicode, and the status is exactly the standard's term."""
    kept = dict(dataset)
    kept[dicom_json.key_of(_CHARACTER_SET)] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    if status is not None:
        kept[dicom_json.key_of(STATUS_TAG)] = {"vr": "CS", "Value": [status.value]}
    return kept


def _check_final(dataset: Dataset, status: PerformedStatus, findings: Findings) -> None:
    """The whole object must satisfy the final column (PS3.4 Table F.7.2-1, final state; MPPS reference, 3.5)."""
    without: tuple[int, ...] = ()
    abandoned = status is PerformedStatus.DISCONTINUED and not dicom_json.has_value(dataset, _SERIES)
    if abandoned and findings.tolerates(Quirk.DISCONTINUED_WITHOUT_SERIES, "PerformedSeriesSequence"):
        without = (_SERIES,)
    findings.check(dataset, _rows("final", *without), "final")
    findings.check_times(dataset)
    findings.refuse()
