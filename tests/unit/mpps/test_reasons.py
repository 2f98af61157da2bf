"""Discontinuation reasons: every code of the reference's table, and what the site may change."""

import pytest

from broker.domain.performing_reasons import CONSEQUENCES, Consequence, DiscontinuationReason, consequence, reason_of
from tests.support.exams import dataset, final, reason

RETURNS, ENDS, MANUAL = Consequence.RETURNS, Consequence.DISCONTINUED, Consequence.MANUAL
TABLE = {
    "110500": ENDS, "110501": RETURNS, "110502": ENDS, "110503": ENDS, "110504": ENDS, "110505": ENDS,
    "110506": RETURNS, "110507": RETURNS, "110508": ENDS, "110509": ENDS, "110510": ENDS, "110511": ENDS,
    "110512": ENDS, "110513": MANUAL, "110514": RETURNS, "110515": RETURNS, "110516": RETURNS, "110521": MANUAL,
    "110522": MANUAL, "110523": MANUAL, "110524": MANUAL, "110526": RETURNS, "110527": RETURNS, "110528": RETURNS,
    "110529": RETURNS, "110530": MANUAL, "110533": MANUAL, "113568": ENDS,
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(TABLE))
def test_consequence_by_code(code: str) -> None:
    found = reason_of(dataset(final("DISCONTINUED", **reason(code))))
    assert consequence(found.key, {}) is TABLE[code]


def test_the_table_has_no_other_codes() -> None:
    assert set(CONSEQUENCES) == set(TABLE)


@pytest.mark.parametrize(
    ("values", "key", "meant"),
    [
        ({}, "", ENDS),
        (reason("110514", scheme="99SITE"), "110514^99SITE", ENDS),
        (reason("110514", scheme=""), "110514", RETURNS),
        (reason("999"), "999", ENDS),
        ({"PerformedProcedureStepDiscontinuationReasonCodeSequence": [{"LongCodeValue": "110501"}]}, "110501", RETURNS),
    ],
)
def test_other_reasons(values: dict[str, object], key: str, meant: Consequence) -> None:
    found = reason_of(dataset(final("DISCONTINUED", **values)))
    assert found.key == key
    assert consequence(found.key, {}) is meant


def test_the_site_has_the_last_word() -> None:
    assert consequence("110513", {"110513": RETURNS}) is RETURNS
    assert consequence("BROKEN^99SITE", {"BROKEN^99SITE": RETURNS}) is RETURNS


def test_the_meaning_is_kept() -> None:
    found = reason_of(dataset(final("DISCONTINUED", **reason("110504", "Patient died"))))
    assert found == DiscontinuationReason("110504", "DCM", "Patient died")
