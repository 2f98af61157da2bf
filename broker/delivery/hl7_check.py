"""Is a template fit for use?  An invented order is rendered with it for every fact, and judged by the HL7 dictionaries.

Owns the invented order (also what previews show without a real one).  Findings are problems: a template is made by
people at a site and corrected before it sends anything; only messages of real senders are taken as they are.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from broker.delivery.hl7_message import Profile, render, segments_of
from broker.delivery.hl7_template import Components, Each, Group, SegmentTemplate, Source, Spec, Template
from broker.domain.attributes import Value
from broker.domain.model import FactKind, Identifier, Order, Patient, Procedure, Step, Visit
from broker.domain.notification_payload import PerformedSummary, Subjects, snapshot
from broker.domain.notifications import Notification, NotificationState
from broker.domain.states import StepStatus
from hl7.errors import Hl7Error
from hl7.parsing import parse
from hl7.validation import Severity, check

_AT = datetime(2026, 7, 4, 7, 42, tzinfo=UTC)
_CODE = {"CodeValue": "CTHEAD", "CodingSchemeDesignator": "LOCAL", "CodeMeaning": "CT head"}

#: what an archive told, with facts about images
_IMAGES = {
    "study": "1.2.826.0.1.3680043.9.1", "at": ["ARCHIVE"], "instances": 40, "available": 40, "expected": 40,
    "missing": 0, "unavailable": 0, "performed": "1.2.826.0.1.3680043.9.2",
}  # fmt: skip


def sample(kind: FactKind = FactKind.ORDER_STARTED, destination: str = "preview") -> Notification:
    """A notification about an invented order with one CT step."""
    steps = (
        Step(
            "SPS1", StepStatus.STARTED, StepStatus.SCHEDULED,
            {"Modality": "CT", "ScheduledStationAETitle": ["CT1"], "ScheduledProcedureStepStartDate": "20260704",
             "ScheduledProcedureStepStartTime": "0930", "ScheduledProtocolCodeSequence": [_CODE],
             "ScheduledProcedureStepDescription": "CT head"},
        ),
    )  # fmt: skip
    described: dict[str, Value] = {
        "RequestedProcedureDescription": "CT head",
        "RequestedProcedureCodeSequence": [_CODE],
        "RequestedProcedurePriority": "ROUTINE",
    }
    order = Order(
        Identifier("P100", "HIS"), Identifier("F100", "RIS"), Identifier("A100"),
        {"RequestingPhysician": "WELBY^MARCUS^^DR"},
        (Procedure("RP100", "1.2.826.0.1.3680043.9.1", described, steps),), sender="ris",
    )  # fmt: skip
    patient = Patient(
        (Identifier("4711", "HOSP"),),
        {"PatientName": "MEIER^EVA^^DR", "PatientBirthDate": "19700131", "PatientSex": "F"},
    )
    performed = PerformedSummary(
        "1.2.826.0.1.3680043.9.2", "DISCONTINUED", "CT1", "20260704094200", "20260704095500", "110513"
    )
    about = Subjects(patient, Visit(Identifier("V99", "HOSP"), {"RouteOfAdmissions": "I"}), order, performed)
    payload = snapshot(kind, _AT, _IMAGES if kind.value.startswith("study.") else {}, about)
    return Notification(
        0, "PREVIEW", destination, "order:0", kind, payload, NotificationState.PENDING, 0, _AT, _AT
    )  # fmt: skip


def check_template(template: Template) -> list[str]:
    """What is wrong with the messages that a template makes; each problem once."""
    problems = list(_unknown_paths(template))
    if not problems:
        for kind in template.codes:
            problems += _check_message(template, kind)
    return list(dict.fromkeys(problems))


def paths_of(template: Template) -> list[str]:
    """Every path that fields of a step's segments may take values from."""
    return sorted(_known_paths(template))


def _check_message(template: Template, kind: FactKind) -> Iterator[str]:
    try:
        message = parse(render(sample(kind), Profile(template=template)))
    except (Hl7Error, ValueError, TypeError, KeyError) as error:
        yield f"template {template.name}: cannot be rendered: {type(error).__name__}: {error}"
        return
    for finding in check(message):
        if finding.severity is Severity.ERROR:
            yield f"template {template.name}: {finding.location}: {finding.text}"


def _unknown_paths(template: Template) -> Iterator[str]:
    known = _known_paths(template)
    for group in template.groups:
        allowed = known if group.each is not Each.MESSAGE else {p for p in known if not p.startswith(_INNER)}
        for key, path in _paths(group):
            if path not in allowed:
                here = ", ".join(sorted(allowed))
                yield f"template {template.name}: {key}: there is no {path!r} here; known are {here}"


_INNER = ("procedure.", "step.", "number")


def _paths(group: Group) -> Iterator[tuple[str, str]]:
    for segment in group.segments:
        if segment.when:
            yield f"segments.{segment.label}.when", segment.when
        for number, spec in segment.fields.items():
            yield from ((f"segments.{segment.label}.{number}", path) for path in _of_spec(spec))


def _of_spec(spec: Spec) -> Iterator[str]:
    if isinstance(spec, Source):
        yield from spec.paths
    elif isinstance(spec, Components):
        for part in spec.parts:
            yield from _of_spec(part)


def _known_paths(template: Template) -> set[str]:
    """Every path there is, taken from the invented order as segments see it."""
    seen: set[str] = set()
    probe = SegmentTemplate("PRB", {})
    layout = (Group(Each.STEP, (probe,)),)
    inner = Template(template.name, template.message_type, template.trigger, template.version, layout, template.codes)
    for _, scope in segments_of(sample(), Profile(template=inner)):
        seen |= set(_flat(scope, ""))
    return {path for path in seen if not path.startswith("procedures")}


def _flat(value: Any, prefix: str) -> Iterator[str]:
    if prefix:
        yield prefix
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
