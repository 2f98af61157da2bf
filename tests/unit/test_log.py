"""Log lines: one event is one line that begins with its time, whatever peers put into their names."""

import json
import logging
import warnings

import pytest

from broker import log


@pytest.fixture
def form(request: pytest.FixtureRequest) -> object:
    """The log set up in one form, and as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield request.param
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


FORGED = "CT1\n2026-01-01 00:00:00,000 ERROR   broker: disk full\r\x1b[2J\u2028\u202e\x85"


@pytest.mark.parametrize("form", ["text", "json"], indirect=True)
def test_a_name_cannot_make_a_line_of_its_own(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    log.setup("info", form)
    logging.getLogger("broker.test").warning("device %s refused", FORGED)
    line, end = capfd.readouterr().err.split("\n")
    assert end == ""
    assert not {"\r", "\x1b"} & set(line)
    if form == "text":
        assert "\\n2026-01-01" in line
        assert line.isprintable()
    else:
        assert json.loads(line)["message"] == f"device {FORGED} refused"


@pytest.mark.parametrize("form", ["text"], indirect=True)
def test_the_text_of_an_error_begins_no_line(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    log.setup("info", form)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger("broker.test").exception("failed")
    first, *more = capfd.readouterr().err.splitlines()
    assert first.endswith("broker.test: failed")
    assert all(line.startswith("  ") for line in more)


@pytest.mark.parametrize("form", ["text"], indirect=True)
def test_warnings_of_libraries_are_lines_of_the_log(form: str, capfd: pytest.CaptureFixture[str]) -> None:
    log.setup("info", form)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("odd", UserWarning, stacklevel=1)
    assert "WARNING py.warnings: " in capfd.readouterr().err
