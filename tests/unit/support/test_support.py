"""The helpers of tests/support, which many tests trust: waiting, requirements, processes."""

import asyncio
import os
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support import requirements
from tests.support.process import BrokerProcess
from tests.support.wait import until, until_async

# Stands in for the broker: writes its ports (half a file first), notes that it was asked to stop, and may refuse to.
STAND_IN = """
    import json, os, pathlib, signal, sys, time
    folder = pathlib.Path(os.environ["BROKER__DATA_DIR"])
    print("life of", os.environ["BROKER__WEB__PORT"], os.environ.get("BROKER_CONFIG"), flush=True)
    if "refuse" in sys.argv:
        sys.exit(3)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else lambda *_: sys.exit(7))
    (folder / "ports.json").write_text('{"intake": 1')
    time.sleep(0.05)
    (folder / "ports.json").write_text(json.dumps({"intake": 1, "dicom": 2, "web": os.getpid()}))
    while True:
        time.sleep(0.05)
"""


def _stand_in(data_dir: Path, *arguments: str) -> BrokerProcess:
    return BrokerProcess(data_dir, arguments, program=(sys.executable, "-c", textwrap.dedent(STAND_IN)))


def test_until_gives_the_first_true_value() -> None:
    values = iter([0, "", None, "ready", "later"])
    assert until(lambda: next(values)) == "ready"


def test_until_fails_in_time_and_says_for_want_of_what() -> None:
    began = time.monotonic()
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: the ACK arrives \(last value: \[\]\)"):
        until(list, timeout=0.05, message="the ACK arrives")
    assert time.monotonic() - began < 2


async def test_until_async_leaves_the_loop_free() -> None:
    seen: list[str] = []
    asyncio.get_running_loop().call_later(0.02, seen.append, "ran")
    assert await until_async(lambda: seen) == ["ran"]
    with pytest.raises(AssertionError, match="never"):
        await until_async(lambda: False, timeout=0.02, message="never")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("", set()),
        ("dcmtk", {"dcmtk"}),
        ("dcmtk, node,", {"dcmtk", "node"}),
        ("all", set(requirements.PARTS)),
        ("all,dcmtk", set(requirements.PARTS)),
    ],
)
def test_required_parts(setting: str, parts: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_TEST_REQUIRE", setting)
    assert requirements.required() == parts


def test_misspelt_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_TEST_REQUIRE", "dcmtk,postgres")
    with pytest.raises(pytest.UsageError, match="postgres unknown; known: all, postgresql"):
        requirements.required()


@pytest.mark.parametrize(("setting", "outcome"), [("", pytest.skip.Exception), ("node", pytest.fail.Exception)])
def test_missing_part_skips_or_fails_with_the_remedy(
    setting: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_TEST_REQUIRE", setting)
    monkeypatch.setitem(requirements.PARTS, "node", requirements.Part(lambda: False, "apt install nodejs"))
    with pytest.raises(outcome, match="apt install nodejs"):
        requirements.need("node")


def test_present_part_lets_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(requirements.PARTS, "node", requirements.Part(lambda: True, ""))
    requirements.need("node")


def test_process_is_started_killed_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_CONFIG", "a developer's own")
    with _stand_in(tmp_path / "data") as process:
        first = process.ports["web"]
        assert first == process.pid
        process.kill9()
        assert not Path(f"/proc/{first}").exists()
        process.start()
        assert process.ports["web"] == process.pid != first
        assert process.terminate() == 7
        assert process.log == "life of 0 None\n" * 2


def test_process_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ended before it listened; log:\nlife of 0"):
        _stand_in(tmp_path / "data", "refuse").start()


def test_process_that_does_not_stop_is_killed_and_reported(tmp_path: Path) -> None:
    with _stand_in(tmp_path / "data", "stubborn") as process:
        pid = process.pid
        with pytest.raises(AssertionError, match="still running"):
            process.terminate(timeout=0.2)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
