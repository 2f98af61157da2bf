"""Orders as they stand now, in the form that notifications tell them, for those who ask: by number or by key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.domain.model import FactKind
from broker.domain.notification_payload import Subjects, snapshot
from broker.services.context import Context
from broker.store import order_exams, order_search, orders, outbox, patients
from broker.store.database import Connection

#: more orders than this are not looked at for one number
MOST = 100


@dataclass(frozen=True, slots=True)
class OrderNow:
    """An order by the broker's own number (``fhir_resources.Links``), with the payload of a notification."""

    number: str
    payload: Mapping[str, Any]


def by_number(context: Context, number: str) -> OrderNow | None:
    """The order with the broker's own number, or None."""
    key = number.partition("-")[0]
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    found = context.database.read(lambda c: _load(c, int(key)))
    return found if found is not None and found.number == number else None


def with_number(context: Context, value: str) -> list[OrderNow]:
    """Orders with this placer, filler or accession number, or the broker's own, oldest first, at most ``MOST``."""
    own = by_number(context, value)
    found = context.database.read(lambda c: _all(c, order_search.with_number, value))
    return [*([own] if own else []), *found]


def with_step_id(context: Context, value: str) -> list[OrderNow]:
    """Orders with a scheduled procedure step of this ID, oldest first, at most ``MOST``."""
    return context.database.read(lambda c: _all(c, order_search.with_step_id, value))


def _all(connection: Connection, search: Callable[[Connection, str, int], list[int]], value: str) -> list[OrderNow]:
    found = (_load(connection, key) for key in search(connection, value, MOST))
    return [order for order in found if order is not None]


def _load(connection: Connection, key: int) -> OrderNow | None:
    known, at = order_exams.of_order(connection, key), order_search.updated_at(connection, key)
    if known is None or at is None:
        return None
    order, exam = orders.load(connection, key), order_search.last_exam(connection, key)
    about = Subjects(
        patient=patients.load(connection, order.patient_key) if order.patient_key is not None else None,
        visit=patients.load_visit(connection, order.visit_key) if order.visit_key is not None else None,
        order=order, performed=outbox.performed_summary(connection, exam) if exam is not None else None,
    )  # fmt: skip
    return OrderNow(known.number, snapshot(FactKind.ORDER_CHANGED, at, {}, about))
