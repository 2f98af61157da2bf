"""Message brokers and FHIR at the command line: what `check` and `preview` say, and a broker without the libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

from broker.delivery import extras
from tests.integration.cli.conftest import Command
from tests.support.process import BrokerProcess
from tests.support.wait import until

SECRET = "Xyzzy-Geheim-42"
SETTINGS = """
[[destinations]]
name = "rabbit"
kind = "amqp"
host = "127.0.0.1"
port = 1
exchange = "worklist"
routing_key = "{event}.{modality}"
mode = "binary"
user = "worklist"
secret_env = "RABBIT_PASSWORD"
[[destinations]]
name = "stream"
kind = "nats"
host = "127.0.0.1"
port = 1
credentials_file = "nowhere.creds"
[[destinations]]
name = "ehr"
kind = "fhir"
url = "https://127.0.0.1:1/fhir/r4"
patient = "create"
secret_env = "EHR_TOKEN"
"""
#: as a broker is that was installed without the extras
WITHOUT = "import sys; sys.modules.update(amqp=None, nats=None, nkeys=None); from broker.cli import main; main()"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "broker.toml"
    found.write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("RABBIT_PASSWORD", SECRET)
    monkeypatch.setenv("EHR_TOKEN", SECRET)
    return found


def test_previews_show_what_would_be_sent_and_no_secret(command: Command, empty: Path, file: Path) -> None:
    command("db", "upgrade", "--config", file)
    shown = {
        name: command("notifications", "preview", "--destination", name, "--config", file)
        for name in ("rabbit", "stream", "ehr")
    }
    assert "exchange: worklist\nrouting-key: order.started.CT\n" in shown["rabbit"]
    assert "cloudEvents:type: worklist-broker.order.started" in shown["rabbit"]
    assert "subject: worklist.order.started\nNats-Msg-Id: PREVIEW\n" in shown["stream"]
    assert '"ifNoneExist": "identifier=urn%3Aworklist-broker%3Apatient%3AHOSP%7C4711"' in shown["ehr"]
    assert SECRET not in "".join(shown.values())


def test_check_tells_what_is_missing(
    command: Command, empty: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EHR_TOKEN")
    told = command("check", "--config", file, code=1)
    assert "rabbit, amqp, 127.0.0.1:1: Connection refused; notifications will wait" in told
    assert "stream: credentials_file nowhere.creds cannot be read (FileNotFoundError)" in told
    assert "ehr: the environment variable EHR_TOKEN holds no secret" in told
    monkeypatch.setattr(extras, "find_spec", lambda _module: None)
    told = command("check", "--config", file, code=1)
    assert 'rabbit: needs amqp, not installed here: pip install "worklist-broker[amqp]", then restart' in told
    assert 'stream: needs nats and nkeys, not installed here: pip install "worklist-broker[nats]"' in told
    assert SECRET not in told


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_broker_without_the_libraries_starts_and_says_so(tmp_path: Path, file: Path) -> None:
    environment = {"BROKER_CONFIG": str(file)}
    with BrokerProcess(tmp_path / "data", ("serve",), environment, (sys.executable, "-c", WITHOUT)) as broker:
        words = 'kind amqp needs amqp, not installed here: pip install "worklist-broker[amqp]", then restart'
        until(lambda: f"destination rabbit: {words}" in broker.log, 30, "it says what is missing")
        assert broker.terminate() == 0
    assert SECRET not in broker.log


def test_nothing_of_them_is_imported_before_it_is_needed() -> None:
    asked = "import broker.parts, sys; print([m for m in ('amqp', 'nats', 'nkeys', 'vine') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
