"""Which HL7 codes tell which fact: ORC-1 (table 0119), ORC-5 (table 0038) and OBR-25 (table 0123) as one table.

Sources: HL7 v2.3.1 and v2.5.1 tables 0119, 0038, 0123; IHE RAD TF-2 RAD-3/RAD-13 for unsolicited cancellation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.domain.model import FactKind
from broker.domain.notifications import Notification
from broker.domain.states import OrderStatus


@dataclass(frozen=True, slots=True)
class StatusCodes:
    """The three codes of a status message."""

    order_control: str
    order_status: str
    result_status: str


#: a fact that is not here has no order status message
STATUS_CODES: Mapping[FactKind, StatusCodes] = {
    FactKind.ORDER_PLACED: StatusCodes("SC", "SC", "S"),
    FactKind.ORDER_CHANGED: StatusCodes("SC", "SC", "S"),
    FactKind.ORDER_HELD: StatusCodes("OH", "HD", "S"),
    FactKind.ORDER_RELEASED: StatusCodes("OE", "SC", "S"),
    FactKind.ORDER_STARTED: StatusCodes("SC", "IP", "I"),
    FactKind.ORDER_COMPLETED: StatusCodes("SC", "CM", "R"),
    FactKind.ORDER_DISCONTINUED: StatusCodes("SC", "DC", "X"),
    FactKind.ORDER_RETURNED: StatusCodes("SC", "SC", "S"),
    FactKind.ORDER_CANCELED: StatusCodes("OC", "CA", "X"),
    FactKind.ORDER_REPORTED: StatusCodes("SC", "CM", "F"),
}

#: a correction tells the state that the order has now; OBR-25 C: a correction to results (table 0123)
CORRECTED_CODES: Mapping[OrderStatus, StatusCodes] = {
    OrderStatus.SCHEDULED: StatusCodes("SC", "SC", "C"),
    OrderStatus.IN_PROGRESS: StatusCodes("SC", "IP", "C"),
    OrderStatus.COMPLETED: StatusCodes("SC", "CM", "C"),
    OrderStatus.DISCONTINUED: StatusCodes("SC", "DC", "C"),
    OrderStatus.CANCELED: StatusCodes("SC", "CA", "C"),
}
#: every fact that has an order status message
TOLD = frozenset({*STATUS_CODES, FactKind.ORDER_CORRECTED})


def codes_of(notification: Notification) -> StatusCodes:
    """The codes that tell this notification.  KeyError for a fact without a message."""
    if notification.kind is not FactKind.ORDER_CORRECTED:
        return STATUS_CODES[notification.kind]
    data = notification.payload["data"]
    if not isinstance(data, Mapping):
        raise KeyError("the payload of a correction has no data")
    return CORRECTED_CODES[OrderStatus(data["status"])]
