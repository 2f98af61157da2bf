"""Owns: a worklist and MPPS provider on plain pynetdicom, with items given and performed steps remembered.
Must not: use the broker, so that emulated devices are judged by a stranger.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    Verification,
)

FINAL = ("COMPLETED", "DISCONTINUED")


@dataclass
class Provider:
    """What was asked and what was performed."""

    items: list[Dataset] = field(default_factory=list)
    queries: list[Dataset] = field(default_factory=list)
    performed: dict[str, Dataset] = field(default_factory=dict)
    port: int = 0

    def find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        self.queries.append(event.identifier)
        wanted = event.identifier.ScheduledProcedureStepSequence[0].ScheduledStationAETitle
        for each in self.items:
            if wanted in ("", None, each.ScheduledProcedureStepSequence[0].ScheduledStationAETitle):
                yield 0xFF00, each

    def create(self, event: evt.Event) -> tuple[int, Dataset | None]:
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID or "1.2.99")
        attributes = event.attribute_list
        if uid in self.performed:
            return 0x0111, None
        if attributes.get("PerformedProcedureStepStatus") != "IN PROGRESS":
            return 0x0106 if "PerformedProcedureStepStatus" in attributes else 0x0120, None
        self.performed[uid] = attributes
        return 0x0000, attributes

    def change(self, event: evt.Event) -> tuple[int, Dataset | None]:
        request: Any = event.request
        stored = self.performed.get(str(request.RequestedSOPInstanceUID))
        if stored is None:
            return 0x0112, None
        if stored.PerformedProcedureStepStatus in FINAL:
            return 0x0110, None
        if not event.modification_list.get("PerformedSeriesSequence"):
            return 0x0121, None
        stored.update(event.modification_list)
        return 0x0000, stored


def item(station: str, number: int, modality: str = "CT") -> Dataset:
    step = Dataset()
    step.ScheduledStationAETitle = station
    step.ScheduledProcedureStepStartDate = "20260704"
    step.ScheduledProcedureStepStartTime = "0830"
    step.Modality = modality
    step.ScheduledProcedureStepID = f"SPS{number}"
    step.ScheduledProcedureStepDescription = "Head native"
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    found.PatientName = "Müller^Jürgen"
    found.PatientID = "4711"
    found.PatientBirthDate = "19700131"
    found.PatientSex = "M"
    found.AccessionNumber = f"A{number}"
    found.StudyInstanceUID = f"1.2.3.{number}"
    found.RequestedProcedureID = f"RP{number}"
    found.RequestedProcedureDescription = "CT head"
    found.ScheduledProcedureStepSequence = [step]
    return found


@contextmanager
def provider(*items: Dataset) -> Iterator[Provider]:
    state = Provider(list(items))

    ae = AE(ae_title="BROKER")
    for context in (Verification, ModalityWorklistInformationFind, ModalityPerformedProcedureStep):
        ae.add_supported_context(context)

    def without_delay(event: evt.Event) -> None:
        transport: Any = event.assoc.dul.socket
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    handlers: list[Any] = [
        (evt.EVT_CONN_OPEN, without_delay), (evt.EVT_C_FIND, state.find), (evt.EVT_N_CREATE, state.create),
        (evt.EVT_N_SET, state.change),
    ]  # fmt: skip
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    state.port = server.server_address[1]
    try:
        yield state
    finally:
        server.shutdown()
