"""`broker check`: each part ok, warning or error with its remedy; wrong settings all at once."""

import re
import socket
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command


def graded(text: str) -> dict[str, str]:
    """Subject to grade; a subject with several findings has the grade of the last."""
    found = re.findall(r"^(ok|warning|error) +(\S+)", text, re.MULTILINE)
    return {subject: grade for grade, subject in found}


def test_a_fresh_place_is_fine_but_for_what_is_not_set_up_yet(command: Command, empty: Path) -> None:
    grades = graded(command("check"))
    assert grades["database"] == "warning", "there is no schema yet"
    assert grades.pop("destinations") == "warning"
    assert set(grades) >= {"settings", "data_dir", "intake.port", "dicom.port", "web.port", "mapping", "catalogue"}
    assert "error" not in grades.values()
    command("db", "upgrade")
    assert graded(command("check"))["database"] == "ok"


def test_wrong_settings_are_listed_all_at_once(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "broker.toml"
    file.write_text(
        'nonsense = 1\n[site]\ntimezone = "Mars"\n[intake]\nport = "x"\nhost = "0.0.0.0"\n'
        '[[destinations]]\nname = "a"\nkind = "fax"\nhost = "h"\nport = 1\n[[devices]]\nae_title = ""\n'
    )
    monkeypatch.setenv("BROKER__WEB__PORT", "-1")
    text = command("check", "--config", file, code=1)
    for key in ("nonsense", "site.timezone", "intake.port", "destinations[1].kind", "devices[1].ae_title"):
        assert f"{file}: {key}: " in text, key
    assert "BROKER__WEB__PORT: web.port: " in text
    assert len(re.findall("^error", text, re.MULTILINE)) == 6


def test_an_open_host_needs_a_word_about_who_may_connect(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('[intake]\nhost = "0.0.0.0"\n[dicom]\nhost = "0.0.0.0"\nunknown = "refuse"\n')
    text = command("check", "--config", file, code=1)
    assert "intake.unknown" in text
    assert "dicom.unknown" not in text


def write(folder: Path, text: str) -> Path:
    file = folder / "broker.toml"
    file.write_text(text)
    return file


ERRORS = [
    pytest.param('[database]\nurl = "postgresql+psycopg://x@127.0.0.1:1/x"', "database", id="database away"),
    pytest.param('[intake]\nmapping = "nonsense"', "mapping", id="no such mapping"),
    pytest.param('[intake]\nprocedures = "nonsense.csv"', "catalogue", id="no such catalogue"),
    pytest.param('[intake]\nprocedures = "broker.toml"', "catalogue", id="not a catalogue"),
    pytest.param('data_dir = "/proc/nothing"', "data_dir", id="no such folder"),
]


@pytest.mark.parametrize(("text", "subject"), ERRORS)
def test_what_would_keep_the_broker_from_working_is_an_error(
    command: Command, tmp_path: Path, text: str, subject: str
) -> None:
    file = write(tmp_path, text)
    assert graded(command("check", "--config", file, code=1))[subject] == "error"


def test_a_port_in_use_and_a_destination_that_is_away_are_warnings(
    command: Command, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BROKER__WEB__PORT")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        there = f'[[destinations]]\nname = "there"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {port}\n'
        away = '[[destinations]]\nname = "away"\nkind = "hl7"\nhost = "127.0.0.1"\nport = 1\n'
        file = write(tmp_path, f"[web]\nport = {port}\n{there}{away}")
        text = command("check", "--config", file)
    assert re.search(rf"^warning +web\.port +127\.0\.0\.1:{port}: Address already in use", text, re.MULTILINE)
    assert re.search(rf"^ok +destination +there, hl7, 127\.0\.0\.1:{port} answers$", text, re.MULTILINE)
    assert re.search(r"^warning +destination +away, ", text, re.MULTILINE)


def test_limits_of_stuck_exams(command: Command, tmp_path: Path) -> None:
    limits = "hours = 2\napply_after = 12\nmodalities = { US = 0 }\ncodes = { NONE = 1 }\n"
    file = write(tmp_path, f"[performed.stuck]\n{limits}")
    text = command("check", "--config", file)
    assert "alarmed after: all 2 h, US never, NONE 1 h; closed after 12 h more as completed" in text
    assert "performed.stuck.codes: NONE is no code of the catalogue" in text
    file = write(tmp_path, '[performed.stuck]\nhours = -1\nmodalities = { ct = 1 }\napply = "maybe"\nhour = 1\n')
    text = command("check", "--config", file, code=1)
    for key in ("hours", "modalities.ct", "apply", "hour"):
        assert f"{file}: performed.stuck.{key}" in text, text
