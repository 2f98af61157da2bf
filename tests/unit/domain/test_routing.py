"""Routing keys and subjects: what patterns may say, and what they give."""

from dataclasses import replace
from typing import Any

import pytest

from broker.delivery.hl7_check import sample
from broker.domain.model import FactKind
from broker.domain.notifications import Notification
from broker.domain.routing import fill, problem

GOOD = ["worklist.{event}", "a", "{site}.{modality}.{sender}.{event}", "rad-1.work_list.{event}", "dev/{event}"]
BAD = ["", ".", "a..b", "a.", ".a", "a b", "worklist.*", "worklist.>", "a.#", "{event", "ü.{event}", "{colour}", "{}"]


@pytest.mark.parametrize("pattern", GOOD)
def test_good_patterns(pattern: str) -> None:
    assert problem(pattern) is None


@pytest.mark.parametrize("pattern", BAD)
def test_bad_patterns(pattern: str) -> None:
    assert problem(pattern)


def about(*modalities: str, sender: str = "ris") -> Notification:
    one = sample(FactKind.ORDER_COMPLETED)
    procedure: dict[str, Any] = one.payload["procedures"][0]  # type: ignore[index]
    steps = [procedure["steps"][0] | {"modality": modality} for modality in modalities]
    order: Any = one.payload["order"]
    changes = {"procedures": [procedure | {"steps": steps}], "order": order | {"sender": sender}}
    return replace(one, payload={**one.payload, **changes})


@pytest.mark.parametrize(
    ("notification", "site", "key"),
    [
        (about("CT"), "Radiology", "w.order.completed.CT.ris.Radiology"),
        (about("CT", "CT"), "R", "w.order.completed.CT.ris.R"),
        (about("CT", "MR"), "R", "w.order.completed.several.ris.R"),
        (about(""), "R", "w.order.completed.none.ris.R"),
        (about("CT", sender="a.b*>#"), "St. Zoë", "w.order.completed.CT.a_2Eb_2A_3E_23.St_2E_20Zo_C3_AB"),
        (about("CT"), "", "w.order.completed.CT.ris.none"),
    ],
)  # fmt: skip
def test_values_never_add_a_word_or_a_wildcard(notification: Notification, site: str, key: str) -> None:
    assert fill("w.{event}.{modality}.{sender}.{site}", notification, site) == key


def test_a_fact_about_no_order_has_no_sender() -> None:
    one = sample(FactKind.PATIENT_MERGED)
    one = replace(one, payload={**one.payload, "order": None, "procedures": []})
    assert fill("{event}.{sender}.{modality}", one, "") == "patient.merged.none.none"
