"""Requests as received, for handing on: what forwarding destinations need to know of them, and their bytes."""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select

from broker.domain.states import PerformedStatus
from broker.store.prepared import Prepared
from broker.store.tables import imaging_service_request, journal_entry, step_link
from broker.store.tables import performed_message as message
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """One MPPS request as received, and the state of its performed step now."""

    key: int
    performed_key: int
    sop_instance_uid: str
    service: str
    calling_ae_title: str
    transfer_syntax_uid: str
    dataset: bytes
    modality: str
    status: PerformedStatus


_REQUEST = select(
    message, performed.c.sop_instance_uid, performed.c.modality, performed.c.status
).join(performed, performed.c.id == message.c.performed_id)  # fmt: skip
_ONE = Prepared(_REQUEST.where(message.c.id == bindparam("key")))
_CREATION = Prepared(
    _REQUEST.where(message.c.performed_id == bindparam("performed"), message.c.service == "N-CREATE")
    .order_by(message.c.id)
    .limit(1)
)
_ORDER_OF = Prepared(
    select(procedure.c.request_id, imaging_service_request.c.sender)
    .join(step, step.c.procedure_id == procedure.c.id)
    .join(step_link, step_link.c.step_id == step.c.id)
    .join(imaging_service_request, imaging_service_request.c.id == procedure.c.request_id)
    .where(step_link.c.performed_id == bindparam("performed"))
    .order_by(procedure.c.request_id)
    .limit(1)
)
_RAW = Prepared(select(journal_entry.c.raw).where(journal_entry.c.id == bindparam("key")))


def request(connection: Connection, key: int) -> StoredRequest | None:
    """One MPPS request, or None."""
    row = _ONE.first(connection, {"key": key})
    return None if row is None else _stored(row)


def creation(connection: Connection, performed_key: int) -> StoredRequest | None:
    """The N-CREATE of a performed step, or None."""
    row = _CREATION.first(connection, {"performed": performed_key})
    return None if row is None else _stored(row)


def order_of(connection: Connection, performed_key: int) -> tuple[int, str] | None:
    """Key and sender of the first order a performed step is linked to; None for an unscheduled one."""
    row = _ORDER_OF.first(connection, {"performed": performed_key})
    return None if row is None else (int(row.request_id), str(row.sender))


def raw_message(connection: Connection, journal_key: int) -> bytes | None:
    """The bytes of a message received, or None when it is no longer kept."""
    row = _RAW.first(connection, {"key": journal_key})
    return None if row is None else bytes(row.raw)


def _stored(row: Row[tuple[object, ...]]) -> StoredRequest:
    return StoredRequest(
        row.id, row.performed_id, row.sop_instance_uid, row.service, row.calling_ae_title, row.transfer_syntax_uid,
        row.dataset, row.modality, PerformedStatus(row.status),
    )  # fmt: skip
