"""Which HL7 codes tell which fact: ORC-1 (table 0119), ORC-5 (table 0038) and OBR-25 (table 0123) as one table.

Sources: HL7 v2.3.1 and v2.5.1 tables 0119, 0038, 0123; IHE RAD TF-2 RAD-3/RAD-13 for unsolicited cancellation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from broker.domain.model import FactKind


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
