"""The conformance statement says what the program does."""

from pathlib import Path

from broker.commands.conformance import filled
from broker.dicom.upper_layer import AcceptorConfig
from broker.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "dicom-conformance.md"


def test_the_tables_are_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert filled(text) == text, "run `broker conformance --update docs/dicom-conformance.md`"


def test_the_figures_are_those_of_the_program() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    config, settings = AcceptorConfig(), Settings()
    for value in (
        config.implementation_class_uid, config.implementation_version_name, f"{settings.dicom.max_pdu} bytes",
        f"{settings.dicom.max_associations} unless set",
    ):  # fmt: skip
        assert value in text
