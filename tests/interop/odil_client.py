"""Owns: odil (C++, Debian's python3-odil) as a device. Must not: import the broker: it runs in the system's Python.

`python3 odil_client.py PORT` finds the worklist of CT, starts and completes the first exam, and prints what it saw as
one JSON object.
"""

import json
import sys

import odil  # type: ignore[import-not-found]

_TRANSFER_SYNTAXES = [odil.registry.ExplicitVRLittleEndian, odil.registry.ImplicitVRLittleEndian]
_MWL = odil.registry.ModalityWorklistInformationModelFind
_MPPS = odil.registry.ModalityPerformedProcedureStep


def _associated(port):
    context = odil.AssociationParameters.PresentationContext
    role = context.Role.SCU
    association = odil.Association()
    association.set_peer_host("127.0.0.1")
    association.set_peer_port(port)
    association.set_tcp_timeout(20)
    parameters = association.update_parameters()
    parameters.set_calling_ae_title("ODIL").set_called_ae_title("BROKER")
    wanted = [odil.registry.Verification, _MWL, _MPPS]
    parameters.set_presentation_contexts(
        [context(2 * n + 1, uid, _TRANSFER_SYNTAXES, role) for n, uid in enumerate(wanted)]
    )
    association.associate()
    return association


def _text(dataset, tag):
    if not dataset.has(tag) or dataset.empty(tag):
        return ""
    value = dataset.as_string(tag)[0]
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _find(association):
    step, query = odil.DataSet(), odil.DataSet()
    step.add(odil.registry.Modality, ["CT"])
    step.add(odil.registry.ScheduledProcedureStepID)
    step.add(odil.registry.ScheduledStationAETitle)
    for tag in (odil.registry.PatientName, odil.registry.PatientID, odil.registry.StudyInstanceUID):
        query.add(tag)
    query.add(odil.registry.ScheduledProcedureStepSequence, [step])
    client = odil.FindSCU(association)
    client.set_affected_sop_class(_MWL)
    return client.find(query)


def _perform(association, uid, item):
    """N-CREATE, then N-SET to COMPLETED; their statuses."""
    scheduled = item.as_data_set(odil.registry.ScheduledProcedureStepSequence)[0]
    reference = odil.DataSet()
    reference.add(odil.registry.StudyInstanceUID, [_text(item, odil.registry.StudyInstanceUID)])
    reference.add(odil.registry.ScheduledProcedureStepID, [_text(scheduled, odil.registry.ScheduledProcedureStepID)])
    for empty in ("AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription"):
        reference.add(getattr(odil.registry, empty))
    for empty in ("ReferencedStudySequence", "ScheduledProtocolCodeSequence"):
        reference.add(getattr(odil.registry, empty), odil.Value.DataSets())
    reference.add(odil.registry.ScheduledProcedureStepDescription)
    created = odil.DataSet()
    created.add(odil.registry.ScheduledStepAttributesSequence, [reference])
    for keyword, value in (
        ("PatientName", _text(item, odil.registry.PatientName)),
        ("PatientID", _text(item, odil.registry.PatientID)),
        ("PerformedProcedureStepID", "PPS1"),
        ("PerformedStationAETitle", "ODIL"),
        ("Modality", "CT"),
        ("PerformedProcedureStepStartDate", "20261123"),
        ("PerformedProcedureStepStartTime", "093000"),
        ("PerformedProcedureStepStatus", "IN PROGRESS"),
    ):
        created.add(getattr(odil.registry, keyword), [value])
    for empty in (
        "PatientBirthDate",
        "PatientSex",
        "PerformedStationName",
        "PerformedLocation",
        "StudyID",
        "PerformedProcedureStepDescription",
        "PerformedProcedureTypeDescription",
        "PerformedProcedureStepEndDate",
        "PerformedProcedureStepEndTime",
    ):
        created.add(getattr(odil.registry, empty))
    for empty in (
        "ReferencedPatientSequence",
        "ProcedureCodeSequence",
        "PerformedProtocolCodeSequence",
        "PerformedSeriesSequence",
    ):
        created.add(getattr(odil.registry, empty), odil.Value.DataSets())
    request = odil.messages.NCreateRequest(association.next_message_id(), _MPPS, created)
    request.set_affected_sop_instance_uid(uid)
    return [_status(association, request), _complete(association, uid)]


def _complete(association, uid):
    series = odil.DataSet()
    for keyword, value in (
        ("SeriesInstanceUID", uid + ".1"),
        ("ProtocolName", "CT head"),
        ("SeriesDescription", "head"),
    ):
        series.add(getattr(odil.registry, keyword), [value])
    for empty in ("PerformingPhysicianName", "OperatorsName", "RetrieveAETitle"):
        series.add(getattr(odil.registry, empty))
    for empty in ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence"):
        series.add(getattr(odil.registry, empty), odil.Value.DataSets())
    changed = odil.DataSet()
    for keyword, value in (
        ("PerformedProcedureStepStatus", "COMPLETED"),
        ("PerformedProcedureStepEndDate", "20261123"),
        ("PerformedProcedureStepEndTime", "094500"),
    ):
        changed.add(getattr(odil.registry, keyword), [value])
    changed.add(odil.registry.PerformedSeriesSequence, [series])
    return _status(association, odil.messages.NSetRequest(association.next_message_id(), _MPPS, uid, changed))


def _status(association, request):
    association.send_message(request, _MPPS)
    return odil.messages.Response(association.receive_message()).get_status()


def main():
    """Everything in one association, then a second query."""
    association = _associated(int(sys.argv[1]))
    odil.EchoSCU(association).echo()
    items = list(_find(association))
    seen = [
        {
            "PatientName": _text(item, odil.registry.PatientName),
            "StudyInstanceUID": _text(item, odil.registry.StudyInstanceUID),
            "ScheduledProcedureStepID": _text(
                item.as_data_set(odil.registry.ScheduledProcedureStepSequence)[0],
                odil.registry.ScheduledProcedureStepID,
            ),
        }
        for item in items
    ]
    statuses = _perform(association, "1.2.826.0.1.3680043.9.7433.77.1", items[0])
    left = len(list(_find(association)))
    association.release()
    sys.stdout.write(json.dumps({"seen": seen, "statuses": statuses, "left": left}))


main()
