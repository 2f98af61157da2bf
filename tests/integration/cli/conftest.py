"""Fixtures of the command line tests: a running broker of their own, and the commands run in this process."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from broker import cli
from tests.support.ports import free_port
from tests.support.process import ANY_PORT, BrokerProcess

AWAY = "away"
"""Name of the destination, which nobody listens for: its notifications wait."""


class Command(Protocol):
    """run("orders", "send", file, code=0) -> what it prints, errors included; the exit code is checked."""

    def __call__(self, *arguments: str | Path | float, code: int = 0) -> str: ...


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command as the console script would; settings are those of the environment."""

    def run(*arguments: str | Path | float, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["broker", *map(str, arguments)])
        try:
            ended: object = cli.main()
        except SystemExit as end:
            ended = end.code or 0
        printed = "".join(capsys.readouterr())
        assert ended == code, printed
        return printed

    return run


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the developer, and none of the folder we happen to be in."""
    for name in ("BROKER_CONFIG", "BROKER__DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One running broker for the tests of a module."""
    folder = tmp_path_factory.mktemp("served")
    config = folder / "broker.toml"
    config.write_text(f'[[destinations]]\nname = "{AWAY}"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {free_port()}\n')
    quick = {"BROKER__DELIVERY__FIRST_RETRY": "0.2", "BROKER__DELIVERY__CEILING": "0.4"}
    with BrokerProcess(folder / "data", environment={"BROKER_CONFIG": str(config), **quick}) as running:
        yield running


@pytest.fixture
def served(serving: BrokerProcess, set_environment: None) -> BrokerProcess:
    """The running broker; commands of this test have its settings."""
    return serving


@pytest.fixture
def set_environment(serving: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, ANY_PORT | {"BROKER__DATA_DIR": str(serving.data_dir)})
    monkeypatch.setenv("BROKER_CONFIG", str(serving.data_dir.parent / "broker.toml"))


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The data folder of a broker that never ran; commands of this test have it."""
    _set(monkeypatch, ANY_PORT | {"BROKER__DATA_DIR": str(tmp_path / "data")})
    return tmp_path / "data"


def _set(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
