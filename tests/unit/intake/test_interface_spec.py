"""The HL7 interface specification says what the code does."""

import pytest

from broker.commands.docs import corpus_outcomes
from broker.intake.interface_spec import filled, places, sections
from broker.shipped import config_folder
from tests.unit.intake import cases

DOCUMENT = config_folder().parent / "docs" / "hl7-interface.md"


def test_document_is_up_to_date():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert filled(text, sections(cases.usual_mapping())) == text, "run `make docs`"


def test_document_has_a_place_for_every_part():
    assert places(DOCUMENT.read_text(encoding="utf-8")) == {*sections(cases.usual_mapping()), "corpus"}


def test_a_part_is_replaced_and_nothing_else():
    corpus = "<!-- corpus: generated -->\nkept\n<!-- corpus: end -->"
    text = f"a\n<!-- errors: generated -->\nold\n<!-- errors: end -->\nb {corpus}"
    new = filled(text, {"errors": "new"})
    assert new == text.replace("old", "new")


@pytest.mark.slow
@pytest.mark.skipif(not cases.CORPUS_FILES, reason="the corpus is not beside this repository")
def test_outcomes_of_the_samples_are_up_to_date():
    assert corpus_outcomes(cases.CORPUS) in DOCUMENT.read_text(encoding="utf-8"), "run `make docs`"
