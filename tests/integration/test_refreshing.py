"""What is held in memory and kept as the database has it: read at once and again, whatever a look ends in."""

import logging
import threading

import pytest

from broker.domain.errors import Unavailable
from broker.services import refreshing
from broker.services.refreshing import Refresher
from tests.support.wait import until


def test_it_looks_again_whatever_happens_and_says_once_that_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refreshing, "_SECONDS_BETWEEN_LOOKS", 0.001)
    caplog.set_level(logging.WARNING)
    ends: list[Exception | None] = [None, Unavailable("away"), Unavailable("away"), None, ValueError("odd"), None]
    looks: list[str] = []

    def look() -> None:
        looks.append(threading.current_thread().name)
        end = ends[len(looks) - 1] if len(looks) <= len(ends) else None
        if end is not None:
            raise end

    refresher = Refresher("settings of a test", look)
    refresher.start()
    assert looks[0] == threading.current_thread().name, "once before anybody can ask"
    until(lambda: len(looks) > len(ends), 30, "it goes on after every end")
    refresher.stop()
    seen = len(looks)
    refresher.stop()
    assert len(looks) == seen
    assert [record.getMessage() for record in caplog.records] == [
        "the database cannot be reached: the settings of a test stay as they were",
        "the settings of a test could not be read",
    ]
