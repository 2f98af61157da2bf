"""What each answer to a notice means for its entry (PS3.7 Annex C)."""

import pytest

from broker.delivery.ian import _outcome
from broker.dicom import scu
from broker.domain.notifications import Verdict

DELIVERED, RETRY, PARK = Verdict.DELIVERED, Verdict.RETRY, Verdict.PARK


@pytest.mark.parametrize(
    ("status", "verdict", "reachable"),
    [
        *((status, DELIVERED, True) for status in (0x0000, 0x0001, 0x0107, 0x0116, 0x0111)),
        *((status, PARK, True) for status in (0x0105, 0x0106, 0x0117, 0x0119, 0x0120, 0x0121)),
        *((status, RETRY, True) for status in (0x0110, 0x0210, 0x0212, 0xC001)),
        *((status, RETRY, False) for status in (0x0118, 0x0122, 0x0124, 0x0211, 0x0213)),
    ],
)
def test_statuses(status: int, verdict: Verdict, reachable: bool) -> None:
    outcome = _outcome(scu.Answer(status, error_comment="why"))
    assert (outcome.verdict, outcome.reachable, outcome.summary) == (verdict, reachable, {"answer": f"0x{status:04X}"})
    assert outcome.detail.startswith(f"N-CREATE answered 0x{status:04X}: why")
