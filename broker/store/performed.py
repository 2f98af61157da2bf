"""Performed procedure steps: the merged object, every request as received, and the links to scheduled steps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from broker.domain.errors import Conflict
from broker.domain.states import PerformedStatus
from broker.store.prepared import Prepared
from broker.store.tables import imaging_service_request as request
from broker.store.tables import performed_message as message
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step
from broker.store.tables import step_link as link


@dataclass(frozen=True, slots=True)
class Summary:
    """The columns that lists, notifications and rules read without opening the data set."""

    performed_station_ae_title: str = ""
    modality: str = ""
    patient_id_value: str = ""
    accession_number: str = ""
    #: bare code for DCM, else ``code^scheme``
    discontinuation_code: str = ""
    #: local time of the device, YYYYMMDDHHMMSS
    started_at: str = ""
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class Performed:
    """A performed procedure step as stored; ``dataset`` by the DICOM JSON Model (PS3.18 Annex F)."""

    sop_instance_uid: str
    status: PerformedStatus
    calling_ae_title: str
    dataset: Mapping[str, Mapping[str, object]]
    summary: Summary
    #: 0 until it is stored
    key: int = 0
    version: int = 0
    #: what staff say in place of ``status`` and the discontinuation code; None while no correction stands
    corrected_status: PerformedStatus | None = None
    corrected_code: str = ""

    @property
    def counting_status(self) -> PerformedStatus:
        """The status that counts for the workflow."""
        return self.corrected_status or self.status


@dataclass(frozen=True, slots=True)
class Received:
    """One request exactly as it arrived."""

    service: str
    calling_ae_title: str
    transfer_syntax_uid: str
    dataset: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class StepState:
    """What counts of one performed step that a scheduled step is linked to, corrections by staff included."""

    step_key: int
    status: PerformedStatus
    discontinuation_code: str
    calling_ae_title: str = ""
    performed_key: int = 0


_BY_UID = select(performed).where(performed.c.sop_instance_uid == bindparam("uid"))
_FIND, _FIND_AND_LOCK = Prepared(_BY_UID), Prepared(_BY_UID.with_for_update())
_BY_KEY = select(performed).where(performed.c.id == bindparam("key"))
_LOAD, _LOAD_AND_LOCK = Prepared(_BY_KEY), Prepared(_BY_KEY.with_for_update())
_LAST = Prepared(
    select(message).where(message.c.performed_id == bindparam("key")).order_by(message.c.id.desc()).limit(1)
)
_INSERT_MESSAGE = Prepared(insert(message).returning(message.c.id))
_INSERT_LINK = Prepared(insert(link))
_INSERT = Prepared(insert(performed).returning(performed.c.id))
_UPDATE = Prepared(
    update(performed).where(performed.c.id == bindparam("key"), performed.c.version == bindparam("known"))
)
_LINKED_STEPS = Prepared(
    select(link.c.step_id, procedure.c.request_id)
    .join(step, step.c.id == link.c.step_id)
    .join(procedure, procedure.c.id == step.c.procedure_id)
    .where(link.c.performed_id == bindparam("key"))
    .order_by(procedure.c.request_id, link.c.step_id)
)
_LOCK = Prepared(select(request.c.id).where(request.c.id == bindparam("key")).with_for_update())
_STATES = Prepared(
    select(
        link.c.step_id,
        func.coalesce(performed.c.corrected_status, performed.c.status).label("status"),
        func.coalesce(performed.c.corrected_code, performed.c.discontinuation_code).label("code"),
        performed.c.calling_ae_title,
        performed.c.id,
    )
    .join(performed, performed.c.id == link.c.performed_id)
    .where(link.c.step_id == bindparam("key"))
    .order_by(performed.c.id)
)


def find(connection: Connection, sop_instance_uid: str, *, lock: bool = False) -> Performed | None:
    """The performed step with this UID, or None.  ``lock`` makes other writers of it wait (PostgreSQL)."""
    row = (_FIND_AND_LOCK if lock else _FIND).first(connection, {"uid": sop_instance_uid})
    return None if row is None else _performed(row)


def load(connection: Connection, key: int, *, lock: bool = False) -> Performed | None:
    """The performed step with this database key, or None.  ``lock`` as in ``find``."""
    row = (_LOAD_AND_LOCK if lock else _LOAD).first(connection, {"key": key})
    return None if row is None else _performed(row)


def set_corrected(connection: Connection, key: int, status: PerformedStatus | None, code: str) -> None:
    """What counts in place of what the device said; None: what the device said counts."""
    values = {"corrected_status": status.value if status else None, "corrected_code": code if status else None}
    connection.execute(update(performed).where(performed.c.id == key).values(**values))


def create(connection: Connection, new: Performed, at: datetime) -> int:
    """Insert a performed step; answers its key."""
    values = {**_values(new, at), "sop_instance_uid": new.sop_instance_uid, "created_at": at}
    return int(_INSERT.one(connection, {**values, "calling_ae_title": new.calling_ae_title}).id)


def save(connection: Connection, changed: Performed, at: datetime) -> None:
    """Write the object over the version it was loaded with.  Raises Conflict when another writer was first."""
    guard = {"key": changed.key, "known": changed.version}
    if _UPDATE.run(connection, {**_values(changed, at), **guard, "version": changed.version + 1}) != 1:
        raise Conflict("the performed step was changed by another writer")


def add_message(connection: Connection, performed_key: int, received: Received) -> int:
    """Keep one request as received; answers its key."""
    values = {
        "performed_id": performed_key, "service": received.service, "calling_ae_title": received.calling_ae_title,
        "transfer_syntax_uid": received.transfer_syntax_uid, "dataset": received.dataset,
        "received_at": received.received_at,
    }  # fmt: skip
    return int(_INSERT_MESSAGE.one(connection, values).id)


def last_message(connection: Connection, performed_key: int) -> Received:
    """The newest request about a performed step."""
    row = _LAST.one(connection, {"key": performed_key})
    return Received(row.service, row.calling_ae_title, row.transfer_syntax_uid, row.dataset, row.received_at)


def add_link(connection: Connection, performed_key: int, step_key: int, origin: str, rule: str, at: datetime) -> None:
    """Link a performed step to a scheduled one."""
    values = {"performed_id": performed_key, "step_id": step_key, "origin": origin, "rule": rule, "created_at": at}
    _INSERT_LINK.run(connection, values)


def remove_link(connection: Connection, performed_key: int, step_key: int) -> None:
    """Take a link away."""
    connection.execute(delete(link).where(link.c.performed_id == performed_key, link.c.step_id == step_key))


def links(connection: Connection, performed_key: int) -> dict[int, str]:
    """The origin of each link of a performed step, by the key of the scheduled step."""
    query = select(link.c.step_id, link.c.origin).where(link.c.performed_id == performed_key).order_by(link.c.id)
    return {int(row.step_id): row.origin for row in connection.execute(query)}


def linked_steps(connection: Connection, performed_key: int) -> dict[int, list[int]]:
    """The keys of the scheduled steps that a performed step is linked to, by the key of their order."""
    found: dict[int, list[int]] = {}
    for row in _LINKED_STEPS.all(connection, {"key": performed_key}):
        found.setdefault(int(row.request_id), []).append(int(row.step_id))
    return found


def lock_orders(connection: Connection, request_keys: Iterable[int]) -> None:
    """Make other performed steps of these orders wait until the transaction ends, always in the same sequence.

    Without it two that end at once would each see the other in progress, and the step would stay started for ever.
    """
    if connection.dialect.name != "sqlite":
        for key in sorted(request_keys):
            _LOCK.first(connection, {"key": key})


def states_of_steps(connection: Connection, step_keys: Iterable[int]) -> list[StepState]:
    """The performed steps that these scheduled steps are linked to, oldest first."""
    rows = [row for key in step_keys for row in _STATES.all(connection, {"key": key})]
    return [StepState(int(r.step_id), PerformedStatus(r.status), r.code, r.calling_ae_title, r.id) for r in rows]


def _values(one: Performed, at: datetime) -> dict[str, object]:
    summary = one.summary
    return {
        "status": one.status.value, "dataset": dict(one.dataset), "updated_at": at,
        "performed_station_ae_title": summary.performed_station_ae_title, "modality": summary.modality,
        "patient_id_value": summary.patient_id_value, "accession_number": summary.accession_number,
        "discontinuation_code": summary.discontinuation_code, "started_at": summary.started_at,
        "ended_at": summary.ended_at,
    }  # fmt: skip


def _performed(row: Any) -> Performed:
    summary = Summary(
        row.performed_station_ae_title, row.modality, row.patient_id_value, row.accession_number,
        row.discontinuation_code, row.started_at, row.ended_at,
    )  # fmt: skip
    return Performed(
        row.sop_instance_uid, PerformedStatus(row.status), row.calling_ae_title, row.dataset, summary,
        row.id, row.version, PerformedStatus(row.corrected_status) if row.corrected_status else None,
        row.corrected_code or "",
    )  # fmt: skip
