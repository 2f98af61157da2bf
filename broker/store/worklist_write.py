"""Writing the read model: one ``worklist_item`` row per step, replaced whole when anything of it changed."""

from datetime import datetime

from sqlalchemy import Connection, bindparam, case, delete, insert
from sqlalchemy.dialects import postgresql, sqlite

from broker.domain.model import Order, Procedure, Step
from broker.domain.worklist_item import WorklistItem
from broker.store.prepared import Prepared
from broker.store.tables import worklist_item, worklist_item_station


def put(
    connection: Connection, item: WorklistItem, order: Order, procedure: Procedure, step: Step, at: datetime, *,
    stations: bool = True,
) -> None:  # fmt: skip
    """Insert or replace the item of ``step``; without ``stations`` its stations stay as they are stored."""
    values = {
        "step_id": step.key, "request_id": order.key, "patient_id": order.patient_key, "sender": order.sender,
        "complete": not item.missing, "open": item.open, "status": item.status.value, "modality": item.modality,
        "start_at": item.start_at, "accession_number": item.accession_number, "patient_id_value": item.patient_id,
        "patient_name_folded": item.patient_name_folded, "physician_name_folded": item.physician_name_folded,
        "requested_procedure_id": procedure.requested_procedure_id,
        "scheduled_procedure_step_id": step.scheduled_procedure_step_id,
        "study_instance_uid": procedure.study_instance_uid, "admission_id": item.admission_id,
        "document": dict(item.document), "version": 1, "updated_at": at, "status_at": at,
    }  # fmt: skip
    written = _UPSERT[connection.dialect.name].one(connection, values)
    if not stations and written.version > 1:
        return
    if written.version > 1:
        _DELETE_STATIONS.run(connection, {"key": step.key})
    titles = [{"step_id": step.key, "station_ae_title": s} for s in dict.fromkeys(item.stations)]
    _INSERT_STATION.many(connection, titles)


def _upsert(statement: "sqlite.Insert | postgresql.Insert") -> Prepared:
    new, old = statement.excluded, worklist_item.c
    kept = {c.name: new[c.name] for c in worklist_item.columns if c.name not in ("step_id", "version")}
    status_at = case((old.status == new.status, old.status_at), else_=new.status_at)
    replaced = {**kept, "version": old.version + 1, "status_at": status_at}
    upsert = statement.on_conflict_do_update(index_elements=["step_id"], set_=replaced)
    return Prepared(upsert.returning(worklist_item.c.version))


_DELETE_STATIONS = Prepared(delete(worklist_item_station).where(worklist_item_station.c.step_id == bindparam("key")))
_INSERT_STATION = Prepared(insert(worklist_item_station))
_UPSERT = {
    "sqlite": _upsert(sqlite.insert(worklist_item)),
    "postgresql": _upsert(postgresql.insert(worklist_item)),
}
