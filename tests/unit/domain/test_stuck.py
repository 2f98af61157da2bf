"""How long an exam may run without a word: by code, else by modality, else the site's limit."""

from datetime import timedelta

import pytest

from broker.domain.attributes import Attributes
from broker.domain.states import StepStatus
from broker.domain.stuck import StuckPolicy, codes_of

HOURS = [timedelta(hours=n) for n in range(9)]
POLICY = StuckPolicy(
    HOURS[3], {"MR": HOURS[4], "US": None}, {"WHOLE": HOURS[6], "RPID1^RADLEX": HOURS[2], "OPEN": None}
)  # fmt: skip


@pytest.mark.parametrize(
    ("modality", "codes", "limit"),
    [
        ("CT", [], HOURS[3]),
        ("MR", [], HOURS[4]),
        ("US", [], None),
        ("MR", ["OTHER"], HOURS[4]),
        ("MR", ["WHOLE", "WHOLE^L"], HOURS[6]),
        ("MR", ["RPID1", "RPID1^RADLEX"], HOURS[2]),
        ("US", ["RPID1", "RPID1^RADLEX", "WHOLE"], HOURS[6]),
        ("CT", ["WHOLE", "OPEN"], None),
    ],
)
def test_the_limit(modality: str, codes: list[str], limit: timedelta | None) -> None:
    assert POLICY.limit_for(modality, codes) == limit


def test_the_codes_of_an_item() -> None:
    asked = {"CodeValue": "CTHEAD", "CodingSchemeDesignator": "L", "CodeMeaning": "CT head"}
    protocol = {"CodeValue": "P1", "CodeMeaning": "plain"}
    item: Attributes = {
        "RequestedProcedureCodeSequence": [asked],
        "ScheduledProcedureStepSequence": [{"ScheduledProtocolCodeSequence": [protocol]}],
    }
    assert codes_of(item) == ["CTHEAD", "CTHEAD^L", "P1", "P1^"]
    assert codes_of({}) == []


@pytest.mark.parametrize(("status", "code"), [(StepStatus.COMPLETED, ""), (StepStatus.DISCONTINUED, "110513")])
def test_what_the_rule_says(status: StepStatus, code: str) -> None:
    said = StuckPolicy(apply_as=status).closing
    assert (said.status, said.reason_code) == (status, code)
