"""The ledger: the newest statement of a value wins, whatever came first."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from broker.domain.attributes import Value
from broker.domain.model import Changes
from broker.domain.stating import Ledger

START = datetime(2024, 7, 5, 8, tzinfo=UTC)
#: what is said at which minute
STATEMENTS: Mapping[int, Changes] = {
    15: {"CurrentPatientLocation": "W1"}, 25: {"CurrentPatientLocation": "W2"}, 30: {"PatientSex": "M"}, 40: {},
}  # fmt: skip
DELETION: Mapping[int, Changes] = {10: {"PatientSex": "M"}, 20: {"PatientSex": None}, 30: {}}


def after(statements: Mapping[int, Changes], order: tuple[int, ...]) -> dict[str, Value]:
    """What stands when the statements arrive in this order."""
    known: dict[str, str] = {}
    values: dict[str, Value] = {}
    for number, minute in enumerate(order):
        ledger = Ledger.of(known, START + timedelta(minutes=minute), new=number == 0)
        values, known = ledger.merge("", values, statements[minute]), ledger.known
    return values


@pytest.mark.parametrize("order", list(permutations(STATEMENTS)))
def test_the_newest_statement_of_each_value_wins_in_any_order(order: tuple[int, ...]) -> None:
    assert after(STATEMENTS, order) == {"CurrentPatientLocation": "W2", "PatientSex": "M"}


@pytest.mark.parametrize("order", list(permutations(DELETION)))
def test_a_deletion_is_a_statement_too(order: tuple[int, ...]) -> None:
    assert after(DELETION, order) == {}


def test_clocks_of_different_senders_are_not_compared() -> None:
    known = Ledger.of({}, START, new=True).known
    late = Ledger.of(known, START - timedelta(hours=1), compare=False)
    assert late.merge("", {"PatientSex": "M"}, {"PatientSex": "F"}) == {"PatientSex": "F"}
