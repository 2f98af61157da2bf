"""From messages to changes: order control, numbers, catalogue and station rules, refusals with their place."""

from datetime import UTC, datetime

import pytest

from broker.domain.model import OrderChange, OrderControl
from broker.intake.catalogue import Catalogue, CatalogueStep
from broker.intake.environment import Environment
from broker.intake.order_parts import Site
from broker.intake.stations import DefaultStations
from broker.intake.translate import translate
from hl7.errors import UnsupportedMessage
from hl7.parsing import parse
from tests.unit.intake import cases

MAPPING = cases.usual_mapping()
PID = "PID|||1^^^HOSP||SAMPLE^SAM\r"


def run(segments, *, kind="ORM^O01", site=None, seven="20240705080000"):
    message = parse(f"MSH|^~\\&|RIS|RAD|||{seven}||{kind}|1|P|2.5.1\r{segments}".encode())
    return translate(message, MAPPING, Environment(UTC, UTC, datetime(2024, 7, 5, tzinfo=UTC)), site or Site())


def obr(code="X^Y^L", *, accession="", modality=""):
    fields = [""] * 25
    fields[0], fields[4], fields[18], fields[24] = "OBR", code, accession, modality
    return "|".join(fields)


CONTROLS = [
    ("NW", OrderControl.PLACE),
    ("XO", OrderControl.CHANGE),
    ("CA", OrderControl.CANCEL),
    ("OC", OrderControl.CANCEL),
    ("DC", OrderControl.DISCONTINUE),
    ("HD", OrderControl.HOLD),
    ("RL", OrderControl.RELEASE),
    ("NA", OrderControl.NUMBER),
    ("CR", OrderControl.CANCEL),
    ("SC||||CM", OrderControl.COMPLETE),
    ("SC||||IP", OrderControl.ARRIVE),
]


@pytest.mark.parametrize(("code", "control"), CONTROLS)
def test_order_control(code, control):
    code, _, status = code.partition("||||")
    translation = run(f"{PID}ORC|{code}|P1|F1||{status}\r{obr(modality='CT')}")
    (change,) = translation.changes
    assert isinstance(change, OrderChange)
    assert change.control is control
    assert translation.errors == []


def test_answers_are_ignored():
    translation = run(f"{PID}ORC|SN|P1|F1\r{obr()}")
    assert (translation.changes, translation.ignored, translation.errors) == ([], ["ORC"], [])


REFUSED = [
    (f"{PID}ORC||P1\r{obr()}", "101", "ORC-1"),
    (f"{PID}{obr()}", "101", "ORC"),
    (f"{PID}", "100", "ORC"),
    (f"PID|||||SAMPLE^SAM\rORC|NW|P1\r{obr()}", "101", "PID-3"),
    (f"PID|||1\rORC|NW|P1\r{obr()}", "101", "PID-5"),
    (f"{PID}ORC|NW|P1\r{obr(modality='CT')}\rORC|NW|P2\r{obr(modality='HM')}", "103", "OBR[2]-24"),
    (f"{PID}ORC|NW|P1\r{obr(accession='12345678901234567')}", "102", "OBR-18"),
    (f"{PID}ORC|NW|P1|F1\r{obr()}\rORC|NW|P1|F2\r{obr()}", "205", "ORC[2]-2"),
    (f"{PID}ORC|NW|P1\r{obr(accession='A1')}\rORC|NW|P1\r{obr(accession='A2')}", "205", "ORC[2]-2"),
]


@pytest.mark.parametrize(("segments", "code", "place"), REFUSED)
def test_refusal_names_its_place(segments, code, place):
    errors = run(segments).errors
    assert (code, place) in [(e.error_code, str(e.location)) for e in errors]


@pytest.mark.parametrize(("kind", "code"), [("ORR^O02", "200"), ("ADT^A60", "201"), ("ORM^O99", "201"), ("", "200")])
def test_unsupported(kind, code):
    with pytest.raises(UnsupportedMessage) as caught:
        run(PID, kind=kind)
    assert caught.value.error_code == code


def test_an_unknown_order_control_is_held():
    translation = run(f"{PID}ORC|ZZ|P1\r{obr()}")
    assert [(e.error_code, str(e.location)) for e in translation.held_errors] == [("103", "ORC-1")]
    assert (translation.errors, translation.changes) == ([], [])


def test_replacement_in_one_message_cancels_the_old_order():
    translation = run(f"{PID}ORC|RP|P1\r{obr(modality='CT')}\rORC|RO|P2\r{obr(modality='MR')}")
    asked = [c.control for c in translation.changes if isinstance(c, OrderChange)]
    assert asked == [OrderControl.CANCEL, OrderControl.PLACE]
    (alone,) = run(f"{PID}ORC|RP|P1\r{obr(modality='CT')}").changes
    assert isinstance(alone, OrderChange)
    assert alone.control is OrderControl.REPLACE


def test_cancellation_needs_no_content():
    translation = run(f"PID|||1^^^HOSP\rORC|CA|P1\r{obr(modality='NONSENSE')}")
    (change,) = translation.changes
    assert translation.errors == []
    assert change.attributes == {}


CT = CatalogueStep("CT head", "CT", (), ("CT7",), ("ROOM 7",), "RAD", "")


def step_of(segments, site):
    (change,) = run(segments, site=site).changes
    ((step,),) = [p.steps for p in change.procedures]
    return step


def test_message_is_believed_more_than_the_catalogue():
    site = Site(Catalogue({("X", ""): (CT,)}))
    step = step_of(f"{PID}ORC|NW|P1\r{obr(modality='MR')}", site)
    assert step.attributes["Modality"] == "MR"
    assert step.derived["ScheduledStationAETitle"] == ["CT7"]


def test_unknown_modality_is_no_reason_to_refuse_when_the_catalogue_knows():
    site = Site(Catalogue({("X", "L"): (CT,)}))
    translation = run(f"{PID}ORC|NW|P1\r{obr(modality='HM')}", site=site)
    assert translation.errors == []
    assert any("OBR-24" in warning for warning in translation.warnings)


def test_step_without_any_station_is_noted_not_refused():
    step_site = Site(stations=DefaultStations({"*": ("ANY1",)}))
    assert step_of(f"{PID}ORC|NW|P1\r{obr(modality='OT')}", step_site).derived["ScheduledStationAETitle"] == ["ANY1"]
    translation = run(f"{PID}ORC|NW|P1\r{obr(modality='OT')}", site=Site(stations=DefaultStations({})))
    assert translation.errors == []
    assert any("no station" in warning for warning in translation.warnings)


def test_order_without_modality_is_noted_not_refused():
    translation = run(f"{PID}ORC|NW|P1\r{obr()}")
    assert translation.errors == []
    assert any("no modality" in warning for warning in translation.warnings)


@pytest.mark.parametrize(
    ("nine", "seven", "expected"),
    [
        ("20240705070000", "20240705080000", 7),
        ("", "20240705080000", 8),
        ("", "20240705080000+0200", 6),
        ("x", "20240705080000", 8),
    ],
)
def test_time_of_the_change(nine, seven, expected):
    (change,) = run(f"{PID}ORC|NW|P1|||||||{nine}\r{obr(modality='CT')}", seven=seven).changes
    assert change.occurred_at.astimezone(UTC).hour == expected


def test_no_refusal_or_warning_repeats_what_the_message_says():
    secret = "SECRETVALUE99999999999999999999999999999999999999999999999999999999999999"
    everywhere = obr(secret, accession=secret, modality=secret)
    segments = f"PID|||{secret}||{secret}||{secret}|{secret}\rORC|NW|{secret}\r{everywhere}\rTQ1|||||||{secret}"
    translation = run(segments)
    said = " ".join(
        [*map(str, translation.errors), *translation.warnings, str([t.as_data() for t in translation.traces])]
    )
    assert translation.errors
    assert "SECRET" not in said
