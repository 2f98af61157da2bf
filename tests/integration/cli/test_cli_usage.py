"""How the command line presents itself: help by groups, exit code 2 for wrong usage, 1 and clear text for failures."""

import gc
import subprocess
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Command
from tests.support.process import BROKER, ROOT

GROUPS = {
    "Run": ("serve", "demo", "check", "db"),
    "Work": (
        "explain",
        "orders",
        "messages",
        "catalogue",
        "worklist",
        "devices",
        "mpps",
        "performed",
        "availability",
        "notifications",
        "destinations",
        "users",
    ),
    "Peers": ("emulate",),
    "Documentation": ("conformance", "docs"),
}
COMMANDS = [
    "serve", "demo", "check", "db upgrade", "db backup", "db stats", "orders send", "orders map", "messages list",
    "messages show", "messages diff", "messages replay", "catalogue check", "catalogue export", "catalogue import",
    "catalogue unmapped", "worklist list", "worklist query", "explain", "devices list", "devices show",
    "devices accept", "devices forget", "devices test", "performed list", "performed show", "performed link",
    "performed unlink", "performed create-order", "performed set-aside", "performed correct", "performed withdraw",
    "performed export", "destinations list", "destinations pause", "destinations drain", "destinations resume",
    "destinations retry-parked", "destinations skip-waiting",
    "mpps start", "mpps complete", "mpps discontinue",
    "mpps show", "notifications list", "notifications retry", "notifications park", "notifications skip",
    "notifications show", "notifications resend", "users link",
    "availability list", "availability set-aside",
    "users list", "users token", "users tokens", "users revoke", "emulate ris", "emulate modality",
    "emulate viewer", "mpps available",
]  # fmt: skip


def test_help_shows_the_commands_by_group(command: Command) -> None:
    lines = command("--help").splitlines()
    assert [line.removesuffix(":") for line in lines if line in {f"{heading}:" for heading in GROUPS}] == [*GROUPS]
    for heading, names in GROUPS.items():
        section = lines[lines.index(f"{heading}:") + 1 :]
        section = section[: section.index("")] if "" in section else section
        shown = [line.split()[0] for line in section if line.startswith("  ") and line[2] != " "]
        assert tuple(shown) == names


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_takes_a_settings_file(command: Command, name: str) -> None:
    text = command(*name.split(), "--help")
    assert text.startswith(f"Usage: broker {name}")
    assert "--config" in text


WRONG = [
    "nonsense", "serve --bogus", "serve extra", "demo --speed fast", "demo --speed 0", "check extra", "db", "db backup",
    "orders send", "orders map", "orders send a.hl7 --to host:port", "messages show", "messages show x",
    "messages list --limit 0", "worklist query --to host:0", "worklist list --bogus", "mpps start", "mpps complete",
    "mpps discontinue", "mpps discontinue 1.2.3 --reason 42", "mpps show", "notifications retry",
    "notifications list --state nonsense", "users link", "users link eva --role nonsense",
    "users token ct1", "users token ct1 --role viewer --days 0", "users token ct1 --role king",
    "emulate ris --misbehave nonsense", "emulate modality --misbehave nonsense",
]  # fmt: skip


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_exit_code_2(command: Command, empty: Path, line: str) -> None:
    text = command(*line.split(), code=2)
    assert text.startswith("Usage: broker")
    assert not empty.exists(), "a command that was not understood has an effect"


NO_TABLES = [
    "messages list", "messages show 1", "worklist list", "notifications list", "notifications retry 1", "users list",
    "users link eva", "db stats", "db backup copy.db",
]  # fmt: skip


@pytest.mark.parametrize("line", NO_TABLES)
def test_a_database_without_tables_is_said_with_the_remedy(command: Command, empty: Path, line: str) -> None:
    empty.mkdir()
    assert "run `broker db upgrade`" in command(*line.split(), code=1)


@pytest.mark.parametrize("line", [*NO_TABLES, "serve", "db upgrade"])
def test_a_database_that_is_away_is_said(
    command: Command, empty: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("BROKER__DATABASE__URL", "postgresql+psycopg://nobody:secret@127.0.0.1:1/none")
    text = command(*line.split(), code=1)
    assert "the database cannot be reached" in text
    assert "secret" not in text


NOBODY_THERE = [
    "orders send order.hl7", "worklist query", "mpps start --accession A1", "mpps complete 1.2.3",
    "mpps discontinue 1.2.3", "mpps show 1.2.3", "mpps available 1.2.3", "mpps available --study 1.2.3",
    "emulate viewer", "emulate ris --count 1", "emulate modality --count 1",
]  # fmt: skip


# pynetdicom leaves the socket of a refused connection to the garbage collector
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("line", NOBODY_THERE)
def test_a_broker_that_does_not_run_is_said(
    command: Command, empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("BROKER__INTAKE__PORT", "1")
    monkeypatch.setenv("BROKER__DICOM__PORT", "1")
    (tmp_path / "order.hl7").write_bytes(b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5\r")
    text = command(*line.split(), code=1)
    gc.collect()
    assert "127.0.0.1:1 cannot be reached" in text or "is the broker running?" in text


@pytest.mark.parametrize("line", ["serve", "demo", "worklist list", "orders map x", "users list"])
def test_wrong_settings_are_all_reported_by_every_command(command: Command, tmp_path: Path, line: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[dicom]\nport = 70000\nae_title = "MUCH TOO LONG AE TITLE"\n[intake]\nbogus = 1\n')
    text = command(*line.split(), "--config", file, code=2)
    assert [key for key in ("dicom.port", "dicom.ae_title", "intake.bogus") if f"{file}: {key}: " not in text] == []


@pytest.mark.parametrize(("line", "code"), [(["--help"], 0), (["nonsense"], 2), (["orders", "map", "none"], 1)])
def test_the_program_ends_with_the_exit_code(line: list[str], code: int) -> None:
    done = subprocess.run([*BROKER, *line], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == code
