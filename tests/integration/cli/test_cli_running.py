"""`broker serve`, `demo`, `db`, `users` and `emulate`: starting and stopping, upkeep, people, peers."""

import re
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.cli.conftest import Command
from tests.peers.mllp_sender import exchange
from tests.peers.modality import Modality
from tests.peers.order_messages import omi
from tests.support.ports import free_port
from tests.support.process import ANY_PORT, BROKER, ROOT, BrokerProcess
from tests.support.wait import until

StartBroker = Callable[..., BrokerProcess]


def test_serve_says_where_it_listens_lets_somebody_in_and_stops_in_order(start_broker: StartBroker) -> None:
    broker = start_broker()
    (link,) = until(lambda: re.findall(r"http://127\.0\.0\.1:\d+/sign-in/\S+", broker.log), 5, "the sign-in link")
    for part, port in broker.ports.items():
        assert re.search(rf"^{part} +127\.0\.0\.1:{port} ", broker.log, re.M)
    assert httpx.get(link).status_code == 200
    assert httpx.get(f"http://127.0.0.1:{broker.ports['web']}/health/ready").status_code == 200
    assert broker.terminate() == 0
    assert "Traceback" not in broker.log


@pytest.mark.parametrize("part", ["intake", "dicom", "web"])
def test_serve_with_a_port_that_is_taken_fails_and_names_it(
    empty: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(f"BROKER__{part.upper()}__PORT", str(port))
        text = _ended(["serve"], code=1)
    assert str(port) in text
    assert "in use" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("setting", [("MAPPING", "nonsense"), ("PROCEDURES", "nonsense.csv")])
def test_serve_with_a_file_that_is_not_there_fails_and_names_it(
    empty: Path, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv(f"BROKER__INTAKE__{setting[0]}", setting[1])
    text = _ended(["serve"], code=1)
    assert setting[1] in text
    assert "Traceback" not in text


def _ended(arguments: list[str], code: int) -> str:
    """What a program printed that should end by itself."""
    done = subprocess.run(
        [*BROKER, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_demo_lives_through_its_day_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in {**ANY_PORT, "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "demo.log"
    with log.open("wb") as out:
        demo = subprocess.Popen([*BROKER, "demo", "--speed", "3600"], cwd=ROOT, stdout=out, stderr=out)
    try:
        until(lambda: " is CM" in log.read_text() or demo.poll() is not None, 40, "an exam is completed and told")
        assert demo.poll() is None, log.read_text()
        demo.terminate()
        assert demo.wait(20) == 0, log.read_text()
    finally:
        demo.kill()
        demo.wait()
    assert "Traceback" not in log.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["demo.log"]


def test_the_schema_is_made_once(command: Command, empty: Path) -> None:
    empty.mkdir()
    assert "none -> " in command("db", "upgrade")
    assert "->" not in command("db", "upgrade")
    assert re.search(r"^worklist_item +0$", command("db", "stats"), re.M)


def test_a_backup_of_a_running_broker_is_whole(command: Command, served: BrokerProcess, tmp_path: Path) -> None:
    exchange(served.ports["intake"], omi(60))
    copy = tmp_path / "copy.db"
    assert "bytes" in command("db", "backup", copy)
    connection = sqlite3.connect(copy)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = connection.execute("SELECT count(*) FROM imaging_service_request WHERE accession_number = 'A60'")
    assert found.fetchone() == (1,)
    connection.close()
    assert "exists; name another file" in command("db", "backup", copy, code=1)
    assert command("db", "backup", tmp_path / "no" / "folder.db", code=1)


def test_a_backup_of_postgresql_is_left_to_its_own_tool(
    command: Command, empty: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER__DATABASE__URL", postgres_url)
    assert "pg_dump" in command("db", "backup", "copy.db", code=1)
    assert re.search(r"^worklist_item +0$", command("db", "stats"), re.M)


def test_a_link_lets_a_person_in_once_until_locked(command: Command, served: BrokerProcess) -> None:
    board = f"http://127.0.0.1:{served.ports['web']}"
    link = command("users", "link", "eva", "--role", "scheduler").strip()
    assert re.fullmatch(rf"{board}/sign-in/[\w-]+", link)
    with httpx.Client(headers={"Origin": board}) as browser:
        assert browser.get(f"{board}/").status_code != 200, "nobody is signed in yet"
        assert browser.post(link).status_code == 303
        assert browser.get(f"{board}/").status_code == 200
        assert browser.post(link).status_code == 410, "the link is used up"
        assert re.search(r"^eva +scheduler +yes$", command("users", "list"), re.M)
        command("users", "lock", "eva")
        assert re.search(r"^eva +scheduler +locked$", command("users", "list"), re.M)
        assert browser.get(f"{board}/").status_code != 200, "a locked user is still in"
    command("users", "unlock", "eva")
    assert re.search(r"^eva +scheduler +yes$", command("users", "list"), re.M)


def test_a_token_lets_a_program_in_until_revoked(command: Command, served: BrokerProcess) -> None:
    worklist = f"http://127.0.0.1:{served.ports['web']}/api/v1/worklist"
    token = command("users", "token", "report-1", "--role", "viewer", "--days", 3, "--ae-title", "CT1").strip()
    assert re.fullmatch(r"wlb_[\w-]{43}", token)
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(worklist, headers=headers).status_code == 200
    assert re.search(r"^report-1 +viewer +CT1 +in force +20\d\d-.* +20\d\d-", command("users", "tokens"), re.M)
    assert "a token has this name" in command("users", "token", "report-1", "--role", "viewer", code=1)
    command("users", "revoke", "report-1")
    answer = httpx.get(worklist, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer")
    assert re.search(r"^report-1 +viewer +CT1 +revoked ", command("users", "tokens"), re.M)
    assert "no token 'report-1' to revoke" in command("users", "revoke", "report-1", code=1)


@pytest.mark.parametrize("verb", ["lock", "unlock"])
def test_a_user_that_is_not_there(command: Command, served: BrokerProcess, verb: str) -> None:
    assert "there is no user 'nobody'" in command("users", verb, "nobody", code=1)


def test_an_emulated_ris_and_modality_work_together(command: Command, served: BrokerProcess) -> None:
    text = command("emulate", "ris", "--count", 12, "--every", 0.01)
    stations = re.findall(r"^order \S+ for (\S+): AA$", text, re.M)
    assert len(stations) == 12
    text = command("emulate", "modality", "--aet", stations[0], "--count", 1, "--minutes", 0)
    assert re.search(r"started, 0000 .*\n.*completed, 0000", text), text


@pytest.mark.parametrize("kind", ["no-patient-id", "unknown-type", "garbage"])
def test_an_emulated_ris_misbehaves_on_request(command: Command, served: BrokerProcess, kind: str) -> None:
    text = command("emulate", "ris", "--count", 1, "--misbehave", kind)
    assert text.startswith(f"{kind}: ")
    assert "MSA|AA" not in text


def test_an_emulated_ris_hears_what_becomes_of_its_orders(start_broker: StartBroker, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "broker.toml"
    config.write_text(f'[[destinations]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {port}\n')
    broker = start_broker({"BROKER_CONFIG": str(config)})
    there = f"127.0.0.1:{broker.ports['intake']}"
    log = tmp_path / "ris.log"
    with log.open("wb") as out:
        ris = subprocess.Popen(
            [*BROKER, "emulate", "ris", "--count", "1", "--listen", str(port), "--to", there],
            cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        (accession,) = until(lambda: re.findall(r"order (\S+) for \S+: AA", log.read_text()), 20, "the order is sent")
        modality = Modality(broker.ports["dicom"])
        (item,) = modality.worklist(accession)
        assert modality.start(item, "2.25.61").status == 0
        until(lambda: f"accession {accession} is IP" in log.read_text(), 20, "the RIS is told")
    finally:
        ris.terminate()
        ris.wait(10)
