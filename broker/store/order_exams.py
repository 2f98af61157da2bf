"""The exams of one order with what their devices reported, corrections by staff counted in."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, bindparam, func, select

from broker.domain.availability import coverage
from broker.domain.fhir_study import OrderExams, PerformedExam, by_study
from broker.store import availability
from broker.store.reconciliation_tables import performed_correction as correction
from broker.store.tables import imaging_service_request as request
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step
from broker.store.tables import step_link as link

_MADE = select(request.c.created_at).where(request.c.id == bindparam("key"))
_LINKED = (
    select(link.c.performed_id)
    .join(step, step.c.id == link.c.step_id)
    .join(procedure, procedure.c.id == step.c.procedure_id)
    .where(procedure.c.request_id == bindparam("key"))
)
_STANDING = and_(correction.c.performed_id == performed.c.id, correction.c.withdrawn_at.is_(None))
_EXAMS = (
    select(
        performed.c.dataset,
        func.coalesce(func.nullif(correction.c.started_at, ""), performed.c.started_at).label("started_at"),
        func.coalesce(performed.c.corrected_code, performed.c.discontinuation_code).label("code"),
    )
    .outerjoin(correction, _STANDING)
    .where(performed.c.id.in_(_LINKED)).order_by(performed.c.id)
)  # fmt: skip


def of_order(connection: Connection, request_key: int) -> OrderExams | None:
    """The exams linked to any step of an order, oldest first; None when there is no such order.

    The number is the key with the instant the order was made, so that it is no other order's in any database.
    """
    made = connection.execute(_MADE, {"key": request_key}).scalar()
    if made is None:
        return None
    rows = connection.execute(_EXAMS, {"key": request_key})
    exams = tuple(PerformedExam(row.dataset, row.started_at, row.code) for row in rows)
    return OrderExams(f"{request_key}-{made:%Y%m%d%H%M%S%f}", exams, _available(connection, exams))


def _available(connection: Connection, exams: Sequence[PerformedExam]) -> frozenset[str]:
    studies = by_study(exams)
    notices = [row.notice for row in availability.about(connection, list(studies), ())] if studies else []
    return frozenset(
        uid
        for uid, made in studies.items()
        if coverage([n for n in notices if n.study_instance_uid == uid], [exam.dataset for exam in made]).complete
    )
