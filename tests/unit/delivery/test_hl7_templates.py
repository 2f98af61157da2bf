"""Templates: the shipped ones fit their version of the standard, and a site's own are checked before they are used."""

from pathlib import Path
from typing import Any

import pytest

from broker.delivery.hl7_check import check_template, sample
from broker.delivery.hl7_message import Profile, render
from broker.delivery.hl7_template_file import TemplateError, load_template, template_names
from broker.delivery.order_status import STATUS_CODES
from broker.domain.model import FactKind
from hl7.parsing import parse

SHIPPED = template_names()


def message(name: str, kind: FactKind = FactKind.ORDER_STARTED, folders: tuple[Path, ...] = ()) -> Any:
    return parse(render(sample(kind), Profile(template=load_template(name, folders))))


def site(tmp_path: Path, text: str, name: str = "own") -> tuple[Path, ...]:
    (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return (tmp_path,)


def test_there_is_a_template_for_each_message_of_the_documentation() -> None:
    assert SHIPPED == ["omg-o19", "omi-o23", "orm-o01", "orm-o01-251", "oru-r01", "oru-r01-231"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_fits_its_version(name: str) -> None:
    assert check_template(load_template(name)) == []


@pytest.mark.parametrize(
    ("name", "version", "order"),
    [
        ("orm-o01", "2.3.1", "MSH PID PV1 ORC OBR ZDS"),
        ("orm-o01-251", "2.5.1", "MSH PID PV1 ORC OBR ZDS"),
        ("omg-o19", "2.5.1", "MSH PID PV1 ORC TQ1 OBR OBX"),
        ("omi-o23", "2.5.1", "MSH PID PV1 ORC TQ1 OBR IPC"),
        ("oru-r01", "2.5.1", "MSH PID PV1 ORC OBR OBX"),
        ("oru-r01-231", "2.3.1", "MSH PID PV1 ORC OBR OBX"),
    ],
)
def test_segments_stand_in_the_order_of_the_structure(name: str, version: str, order: str) -> None:
    told = message(name)
    assert [segment.name for segment in told] == order.split()
    assert told.version == version


@pytest.mark.parametrize(
    ("name", "path", "text"),
    [
        ("omg-o19", "MSH-9.3", "OMG_O19"),
        ("omg-o19", "TQ1-7", "20260704094200"),
        ("omg-o19", "ORC-7.4", ""),
        ("omg-o19", "OBX-3.1", "113014"),
        ("omg-o19", "OBX-5", "1.2.826.0.1.3680043.9.1"),
        ("omg-o19", "OBX-11", "O"),
        ("omg-o19", "OBR-18", "A100"),
        ("omi-o23", "MSH-9.3", "OMI_O23"),
        ("omi-o23", "IPC-1.1", "A100"),
        ("omi-o23", "IPC-2", "RP100"),
        ("omi-o23", "IPC-3.1", "1.2.826.0.1.3680043.9.1"),
        ("omi-o23", "IPC-4", "SPS1"),
        ("omi-o23", "IPC-5", "CT"),
        ("omi-o23", "IPC-6.1", "CTHEAD"),
        ("omi-o23", "IPC-9", "CT1"),
        ("omi-o23", "OBR-18", ""),
        ("oru-r01", "MSH-9.3", "ORU_R01"),
        ("oru-r01", "OBR-25", "I"),
        ("oru-r01-231", "OBX-11", "F"),
        ("orm-o01-251", "ORC-5", "IP"),
    ],
)
def test_fields_of_the_other_messages(name: str, path: str, text: str) -> None:
    assert message(name).text(path) == text


def test_a_sites_template_overrides_key_by_key_and_takes_fields_away(tmp_path: Path) -> None:
    folders = site(
        tmp_path,
        """
        extends = "orm-o01"
        [codes."order.completed"]
        order_status = "IP"
        [segments.PID]
        7 = false
        [segments.OBR]
        18 = { from = ["order.filler.value", "order.accession.value"] }
        21 = "WORKLIST^BROKER"
        """,
    )
    assert check_template(load_template("own", folders)) == []
    told = message("own", FactKind.ORDER_COMPLETED, folders)
    assert (told.text("PID-7"), told.text("PID-5.1")) == ("", "MEIER")
    assert (told.text("ORC-5"), told.text("OBR-25")) == ("IP", "R")
    assert (told.text("OBR-18"), told.text("OBR-21.1")) == ("F100", "WORKLIST")
    assert STATUS_CODES[FactKind.ORDER_COMPLETED].order_status == "CM"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('colour = "red"', "colour: unknown; known are codes, extends"),
        ("message = [", "not readable as TOML"),
        ('extends = "own"', "own -> own goes in a circle"),
        ('extends = "nobody"', "there is no template 'nobody'; known are"),
        ('extends = "orm-o01"\nversion = "9"', "version: one of 2.1"),
        ('extends = "orm-o01"\nmessage = "ORM"', 'message: write type and event, such as "ORM^O01"'),
        ('extends = "orm-o01"\nlayout = [{ each = "day", segments = [] }]', "layout[1].each: one of message"),
        ('extends = "orm-o01"\nlayout = [{ each = "step", segments = ["ZZZ"] }]', "there is no [segments.ZZZ]"),
        ('extends = "orm-o01"\n[segments.PID]\nfive = "x"', "segments.PID.five: a field number"),
        ('extends = "orm-o01"\n[segments.PID]\n5 = { of = "x" }', 'segments.PID.5: write "text"'),
        ('extends = "orm-o01"\n[segments.PID]\n5 = { from = "patient.name", as = "xx" }', "as = 'xx': one of"),
        ('extends = "orm-o01"\n[segments.PID]\n5 = [{ from = "patient.name", as = "xpn" }]', "a component is text"),
        ('extends = "orm-o01"\n[codes."order.lost"]\norder_status = "x"', "codes.order.lost: one of"),
        ('extends = "orm-o01"\n[codes."order.placed"]\nstatus = "x"', "codes.order.placed: a table of"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as error:
        load_template("own", site(tmp_path, text))
    assert any(problem in told for told in error.value.problems), error.value.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[segments.PID]\n5 = { from = 'patient.nam' }", "segments.PID.5: there is no 'patient.nam' here; known are"),
        ("[segments.PID]\n5 = { from = 'step.modality' }", "segments.PID.5: there is no 'step.modality' here"),
        ("[segments.PV1]\nwhen = 'visit.number'", "segments.PV1.when: there is no 'visit.number' here"),
        ("[segments.PID]\n3 = false", "PID-3: required field missing"),
        ("[segments.OBR]\n7 = 'yesterday'", "OBR-7: Observation Date Time is no date and time"),
        ("[segments.ORC]\n99 = 'x'", "ORC of HL7 2.3.1 has fields 1 to"),
        ("layout = [{ each = 'step', segments = ['OBR', 'ORC'] }]", "does not belong here"),
    ],
)
def test_a_template_that_makes_wrong_messages_is_told(tmp_path: Path, text: str, problem: str) -> None:
    folders = site(tmp_path, f'extends = "orm-o01"\n{text}')
    told = check_template(load_template("own", folders))
    assert any(problem in one for one in told), told
