"""What a message would ask for, without storing anything: for ``broker orders map`` and the workbench.

Owns: the report.  Must not: open the database.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from broker.domain.attributes import Value
from broker.domain.model import Identifier, OrderChange, OrderControl
from broker.domain.requests import PatientMerge, PatientRename, PatientUnlink, ReportChange
from broker.intake.environment import Environment
from broker.intake.order_parts import Site
from broker.intake.rules import SenderMapping, Traced
from broker.intake.translate import translate
from broker.intake.translation import ChangeTrace
from broker.services.journal import Change
from hl7.errors import Hl7Error
from hl7.parsing import parse


@dataclass(frozen=True, slots=True)
class MappedValue:
    """One attribute: its value (None deletes) and where it came from.  ``fills`` marks what only fills a gap."""

    entity: str
    keyword: str
    value: Value | None
    source: str
    fills: bool = False


@dataclass(frozen=True, slots=True)
class MappedChange:
    """One order or patient change."""

    where: str
    asked: str
    values: tuple[MappedValue, ...]


@dataclass(slots=True)
class MappingReport:
    """The result of a dry run.

    ``errors`` would refuse the message, ``errors_if_new`` would do so unless its order is known, and ``held`` would
    keep it until the table of order control is mended.
    """

    message_type: str = ""
    sending_application: str = ""
    sending_facility: str = ""
    mapping: str = ""
    changes: list[MappedChange] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    errors_if_new: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)


def map_message(
    raw: bytes, mapping: SenderMapping, site: Site | None = None, *, zone: tzinfo = UTC, now: datetime | None = None
) -> MappingReport:
    """Map one message as intake would; every problem is in the report, none is raised."""
    report = MappingReport(mapping=mapping.name)
    try:
        message = parse(raw)
        report.message_type = "^".join(part for part in (message.message_type, message.trigger) if part)
        report.sending_application = message.sending_application
        report.sending_facility = message.sending_facility
        report.warnings += message.warnings
        env = Environment(zone, zone, now or datetime.now(UTC))
        translation = translate(message, mapping, env, site or Site())
    except Hl7Error as error:
        report.errors.append(str(error))
        return report
    report.errors += [str(error) for error in translation.errors]
    report.errors_if_new += _errors_if_new(translation.changes)
    report.held += [str(error) for error in translation.held_errors]
    report.warnings += translation.warnings
    report.ignored += translation.ignored
    for change, trace in zip(translation.changes, translation.traces, strict=True):
        report.changes.append(MappedChange(trace.where, trace.asked, tuple(values_of(change, trace))))
    return report


def _errors_if_new(changes: Iterable[Change]) -> list[str]:
    """Without a patient an order can only be one that is known already."""
    placed = (c for c in changes if isinstance(c, OrderChange) and c.control is OrderControl.PLACE)
    missing = (c.patient.where for c in placed if not c.patient.identifiers)
    return [f"{where}: a value is required (PatientID)" for where in dict.fromkeys(missing)]


def values_of(change: Change, trace: ChangeTrace) -> Iterator[MappedValue]:
    """The values of one change with where each came from."""
    if isinstance(change, PatientUnlink):
        yield from _entity("patient", {"PatientID": change.one}, {}, trace)
        yield from _entity("other patient", {"PatientID": change.other}, {}, trace)
        return
    if isinstance(change, ReportChange):
        yield from _entity("order", _order_numbers(change), {}, trace)
        return
    patient = change.survivor if isinstance(change, PatientMerge) else change.patient
    numbers = {"PatientID": patient.identifiers[0]} if patient.identifiers else {}
    yield from _entity("patient", numbers, patient.attributes, trace)
    if isinstance(change, PatientMerge):
        for prior in change.prior:
            yield MappedValue("prior patient", "PatientID", _shown(prior), change.where)
    elif isinstance(change, PatientRename):
        yield MappedValue("prior patient", "PatientID", _shown(change.prior), change.where)
    else:
        yield from _entity("visit", {"AdmissionID": change.visit.admission}, change.visit.attributes, trace)
    if isinstance(change, OrderChange):
        yield from _order(change, trace)


def _order(change: OrderChange, trace: ChangeTrace) -> Iterator[MappedValue]:
    yield from _entity("order", _order_numbers(change), change.attributes, trace)
    for number, procedure in enumerate(change.procedures, 1):
        entity = f"procedure {number}"
        ids = {
            "RequestedProcedureID": _plain(procedure.requested_procedure_id),
            "StudyInstanceUID": _plain(procedure.study_instance_uid),
        }
        yield from _entity(entity, ids, procedure.attributes, trace, {**procedure.defaults, **procedure.derived})
        for place, step in enumerate(procedure.steps, 1):
            step_id = {"ScheduledProcedureStepID": _plain(step.scheduled_procedure_step_id)}
            filled = {**step.defaults, **step.derived}
            yield from _entity(f"{entity} step {place}", step_id, step.attributes, trace, filled)


def _order_numbers(change: OrderChange | ReportChange) -> dict[str, Identifier | None]:
    return {
        "PlacerOrderNumberImagingServiceRequest": change.placer,
        "FillerOrderNumberImagingServiceRequest": change.filler,
        "AccessionNumber": change.accession,
    }


def _plain(value: str | None) -> Identifier | None:
    return Identifier(value) if value else None


def _entity(
    entity: str,
    numbers: Mapping[str, Identifier | None],
    attributes: Mapping[str, Value | None],
    trace: ChangeTrace,
    filled: Mapping[str, Value] | None = None,
) -> Iterator[MappedValue]:
    traced = trace.entities.get(entity, {})
    for keyword, number in numbers.items():
        if number is not None and number.value:
            yield MappedValue(entity, keyword, _shown(number), _source(traced, keyword))
        elif keyword in traced:
            yield MappedValue(entity, keyword, "", _source(traced, keyword), fills=True)
    for keyword, value in attributes.items():
        yield MappedValue(entity, keyword, value, _source(traced, keyword))
    for keyword, value in (filled or {}).items():
        if keyword not in attributes:
            yield MappedValue(entity, keyword, value, _source(traced, keyword), fills=True)


def _shown(number: Identifier) -> str:
    return f"{number.value} ({number.issuer})" if number.issuer else number.value


def _source(traced: Mapping[str, Traced], keyword: str) -> str:
    return str(traced.get(keyword, ""))
