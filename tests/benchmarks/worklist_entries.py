"""Owns: a scheduling database with any number of steps, written in batches, for measurements of the worklist.
Must not: be a way to place orders: it writes the read model and what its keys refer to, and nothing of the history.

`python -m tests.benchmarks.worklist_entries --url sqlite:///w.db --steps 100000` fills a database by itself.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, insert, text

from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.names import fold_name
from broker.store import migrate
from broker.store.tables import (
    imaging_service_request,
    patient,
    requested_procedure,
    scheduled_procedure_step,
    visit,
    worklist_item,
    worklist_item_station,
)

#: the acceptance kit: beside the repository, or where the environment says
KIT = Path(os.environ.get("BENCH_KIT") or Path(__file__).resolve().parents[3] / "shared" / "kit")
_BATCH = 5_000
_NOW = datetime(2030, 1, 1, tzinfo=UTC)
#: an order of the kit: what its number alone says of patient, procedure and step
Order = Mapping[str, Any]


def kit_orders() -> Callable[[int, int], Order]:
    """``order(number, of)`` of the acceptance kit, which peers and broker are both fed from.

    :raises FileNotFoundError: the kit is not beside the repository.
    """
    if not (KIT / "kitlib.py").exists():
        raise FileNotFoundError(f"the acceptance kit is expected in {KIT}; BENCH_KIT names another folder")
    sys.path.insert(0, str(KIT))
    try:
        import kitlib  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(KIT))
    made: Callable[[int, int], Order] = kitlib.order
    return made


def fill(url: str, steps: int) -> float:
    """Creates the schema and ``steps`` scheduled steps; answers the seconds it took."""
    order = kit_orders()
    migrate.upgrade(url)
    began = time.monotonic()
    engine = create_engine(url)
    try:
        _fill(engine, order, steps)
    finally:
        engine.dispose()
    return time.monotonic() - began


def _fill(engine: Engine, order: Callable[[int, int], Order], steps: int) -> None:
    with engine.begin() as connection:
        _parents(connection)
    numbers = iter(range(steps))
    while batch := list(islice(numbers, _BATCH)):
        with engine.begin() as connection:
            _write(connection, [order(number, steps) for number in batch])
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT setval('scheduled_procedure_step_id_seq', (SELECT max(id) FROM scheduled_procedure_step))")
            )
        connection.execute(text("ANALYZE"))


def _parents(connection: Connection) -> None:
    """The one patient, visit, order and procedure that all steps hang on: no query of the worklist reads them."""
    times = {"created_at": _NOW, "updated_at": _NOW}
    connection.execute(insert(patient), {"id": 1, "attributes": {}, **times})
    connection.execute(insert(visit), {"id": 1, "patient_id": 1, "attributes": {}, "updated_at": _NOW})
    connection.execute(
        insert(imaging_service_request), {"id": 1, "patient_id": 1, "visit_id": 1, "attributes": {}, **times}
    )
    procedure = {"id": 1, "request_id": 1, "study_instance_uid": "1.2", "position": 1, "attributes": {}}
    connection.execute(insert(requested_procedure), procedure)


def _write(connection: Connection, orders: list[Order]) -> None:
    connection.execute(insert(scheduled_procedure_step), [_step(order) for order in orders])
    connection.execute(insert(worklist_item), [_item(order) for order in orders])
    stations = [{"step_id": order["i"] + 1, "station_ae_title": order["aet"]} for order in orders]
    connection.execute(insert(worklist_item_station), stations)


def _step(order: Order) -> dict[str, object]:
    return {
        "id": order["i"] + 1, "procedure_id": 1, "position": order["i"] + 1, "status": "SCHEDULED",
        "resting_status": "SCHEDULED", "scheduled_procedure_step_id": order["sps_id"], "attributes": {},
        "updated_at": _NOW,
    }  # fmt: skip


def _item(order: Order) -> dict[str, object]:
    name, doctor = f"{order['family']}^{order['given']}", _doctor(order)
    return {
        "step_id": order["i"] + 1, "request_id": 1, "patient_id": 1, "complete": True, "open": True,
        "status": "SCHEDULED", "modality": order["modality"], "start_at": order["date"] + order["time"],
        "accession_number": order["accession"], "patient_id_value": order["patient_id"],
        "patient_name_folded": fold_name(name), "physician_name_folded": fold_name(doctor),
        "requested_procedure_id": order["rp_id"], "scheduled_procedure_step_id": order["sps_id"],
        "study_instance_uid": order["study_uid"], "admission_id": "", "document": _document(order, name, doctor),
        "version": 1, "updated_at": _NOW,
    }  # fmt: skip


def _document(order: Order, name: str, doctor: str) -> dict[str, object]:
    """What the peers' files hold, by keyword."""
    code = {"CodeValue": order["code"], "CodingSchemeDesignator": "99KIT", "CodeMeaning": order["desc"]}
    step = {
        "Modality": order["modality"], "ScheduledStationAETitle": [order["aet"]],
        "ScheduledProcedureStepStartDate": order["date"], "ScheduledProcedureStepStartTime": order["time"],
        "ScheduledPerformingPhysicianName": doctor, "ScheduledProcedureStepDescription": order["desc"],
        "ScheduledProcedureStepID": order["sps_id"], "ScheduledStationName": [order["station"]],
        "ScheduledProcedureStepLocation": "RADIOLOGY", "ScheduledProcedureStepStatus": "SCHEDULED",
    }  # fmt: skip
    return {
        "AccessionNumber": order["accession"], "ReferringPhysicianName": doctor, "PatientName": name,
        "PatientID": order["patient_id"], "IssuerOfPatientID": order["issuer"], "PatientBirthDate": order["birth"],
        "PatientSex": order["sex"], "PregnancyStatus": "4", "StudyInstanceUID": order["study_uid"],
        "RequestingPhysician": doctor, "RequestedProcedureDescription": order["desc"],
        "RequestedProcedureCodeSequence": [code], "RequestedProcedureID": order["rp_id"],
        "RequestedProcedurePriority": "ROUTINE", "PlacerOrderNumberImagingServiceRequest": order["placer"],
        "FillerOrderNumberImagingServiceRequest": order["filler"], SPS_SEQUENCE: [step],
    }  # fmt: skip


def _doctor(order: Order) -> str:
    _, family, given = order["doctor"]
    return f"{family}^{given}"


def _main(arguments: Iterator[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="an empty database, as in the setting database.url")
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args(list(arguments) if arguments is not None else None)
    report = {"steps": options.steps, "seconds": round(fill(options.url, options.steps), 1)}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    _main()
