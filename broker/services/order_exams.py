"""What devices reported about the exams of an order, for those who tell it on."""

from broker.domain.fhir_study import OrderExams
from broker.services.context import Context
from broker.store import order_exams as store


def of_order(context: Context, request_key: int) -> OrderExams | None:
    """Every exam linked to the order now; None when there is no such order."""
    return context.database.read(lambda c: store.of_order(c, request_key))
