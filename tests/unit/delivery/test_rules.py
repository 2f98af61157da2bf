"""Who wants to be told what, and which codes tell it."""

import pytest

from broker.delivery.hl7 import check_rule
from broker.delivery.order_status import STATUS_CODES, TOLD
from broker.domain.model import FactKind
from broker.domain.notifications import DEFAULT_EVENTS, DestinationRule

K = FactKind


@pytest.mark.parametrize(
    ("kind", "codes"),
    [
        (K.ORDER_PLACED, ("SC", "SC", "S")),
        (K.ORDER_CHANGED, ("SC", "SC", "S")),
        (K.ORDER_HELD, ("OH", "HD", "S")),
        (K.ORDER_RELEASED, ("OE", "SC", "S")),
        (K.ORDER_STARTED, ("SC", "IP", "I")),
        (K.ORDER_COMPLETED, ("SC", "CM", "R")),
        (K.ORDER_DISCONTINUED, ("SC", "DC", "X")),
        (K.ORDER_RETURNED, ("SC", "SC", "S")),
        (K.ORDER_CANCELED, ("OC", "CA", "X")),
    ],
)
def test_the_codes_of_each_fact(kind: FactKind, codes: tuple[str, str, str]) -> None:
    row = STATUS_CODES[kind]
    assert (row.order_control, row.order_status, row.result_status) == codes


def test_every_order_fact_and_no_other_has_codes() -> None:
    assert set(TOLD) == {kind for kind in K if kind.value.startswith("order.")}


@pytest.mark.parametrize(
    ("rule", "kind", "wanted"),
    [
        (DestinationRule("a"), K.ORDER_STARTED, True),
        (DestinationRule("a"), K.ORDER_PLACED, False),
        (DestinationRule("a", events=frozenset({K.ORDER_PLACED})), K.ORDER_PLACED, True),
        (DestinationRule("a", modalities=frozenset({"CT", "MR"})), K.ORDER_STARTED, True),
        (DestinationRule("a", modalities=frozenset({"US"})), K.ORDER_STARTED, False),
        (DestinationRule("a", senders=frozenset({"ris"})), K.ORDER_STARTED, True),
        (DestinationRule("a", senders=frozenset({"his"})), K.ORDER_STARTED, False),
    ],
)
def test_a_rule_wants(rule: DestinationRule, kind: FactKind, wanted: bool) -> None:
    assert rule.wants(kind, {"CT"}, "ris") is wanted


@pytest.mark.parametrize("kind", [K.NOTIFICATION_DELIVERED, K.NOTIFICATION_PARKED])
def test_nobody_is_notified_of_notifications(kind: FactKind) -> None:
    with pytest.raises(ValueError, match=r"destination a: notification\."):
        DestinationRule("a", events=DEFAULT_EVENTS | {kind})


def test_an_hl7_rule_that_asks_for_a_fact_without_a_message_is_told_so() -> None:
    assert check_rule(DestinationRule("a")) == []
    (problem,) = check_rule(DestinationRule("a", events=frozenset({K.STEP_STATUS, K.ORDER_STARTED})))
    assert problem.startswith("step.status has no HL7 status message; choose from order.canceled")
