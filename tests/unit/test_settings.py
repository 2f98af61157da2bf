"""Settings: documented, defaulted, and every problem told at once with file, key and remedy."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from broker.destination_settings import KINDS
from broker.settings import DeviceSettings, SenderSettings, Settings, is_loopback
from broker.settings_source import SettingsError, find_file, load
from broker.shipped import config_folder
from broker.wiring import make_site

SHIPPED = config_folder() / "broker.toml"


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key of a section and its sections, dotted."""
    found = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= keys(kind, f"{prefix}{name}.")
        else:
            found.add(f"{prefix}{name}")
    return found


def written(section: dict[str, Any], prefix: str = "") -> set[str]:
    """Every key of a file, dotted; an empty table is a value."""
    found = set()
    for name, value in section.items():
        inner = written(value, f"{prefix}{name}.") if isinstance(value, dict) else set()
        found |= inner or {f"{prefix}{name}"}
    return found


def test_the_shipped_file_is_the_defaults() -> None:
    assert load(SHIPPED, {}) == Settings()


def test_the_shipped_file_has_every_setting() -> None:
    documented = written(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    lists = {"senders", "devices", "destinations"}
    assert documented == keys(Settings) - lists


@pytest.mark.parametrize(
    ("section", "model"),
    [("senders", SenderSettings), ("devices", DeviceSettings)],
)
def test_the_shipped_file_shows_every_key_of_the_lists(section: str, model: type[BaseModel]) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    example = text[text.index(f"# [[{section}]]") :].split("\n\n")[0]
    shown = {line.removeprefix("# ").split(" = ")[0] for line in example.splitlines()[1:]}
    assert shown == set(model.model_fields)


def test_the_shipped_destinations_show_every_key_of_every_kind() -> None:
    path = config_folder() / "destinations.toml"
    shown = {entry["kind"]: set(entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["destinations"]}
    assert shown == {kind: set(model.model_fields) for kind, model in KINDS.items()}
    settings = load(path, {})
    assert [d.kind for d in settings.destinations] == list(KINDS)


DESTINATION: dict[str, dict[str, object]] = {
    "hl7": {"host": "h", "port": 1},
    "mpps": {"host": "h", "port": 104, "ae_title": "A"},
    "mpps_event": {"ae_title": "A"},
    "ian": {"host": "h", "port": 104, "ae_title": "A"},
    "webhook": {"url": "https://h/x", "secret_env": "S"},
    "file": {"folder": "out"},
    "amqp": {"host": "h", "user": "u", "secret_env": "S"},
    "nats": {"host": "h"},
    "fhir": {"url": "https://h/fhir"},
}


def test_devices_that_keep_a_line_open_need_all_devices_in_one_process() -> None:
    entry = {"name": "viewer", "kind": "mpps_event", "ae_title": "A"}
    environment = {"BROKER__DESTINATIONS": json.dumps([entry]), "BROKER__DICOM__WORKERS": "2"}
    with pytest.raises(SettingsError, match=r"connect by themselves \(viewer\)"):
        load(SHIPPED, environment)


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_destination_of_each_kind(kind: str) -> None:
    entry = {"name": "a", "kind": kind, **DESTINATION[kind]}
    (destination,) = load(SHIPPED, {"BROKER__DESTINATIONS": json.dumps([entry])}).destinations
    assert (destination.name, destination.kind) == ("a", kind)


@pytest.mark.parametrize(
    ("kind", "wrong", "key", "words"),
    [
        ("mpps_event", {"host": "h"}, "destinations[1]", "host and port belong together"),
        ("mpps_event", {"tls": True}, "destinations[1]", "they need host and port"),
        ("mpps_event", {"events": ["started"]}, "destinations[1].events[1]", "one of"),
        ("hl7", {"port": 0}, "destinations[1].port", "greater than or equal to 1"),
        ("hl7", {"url": "x"}, "destinations[1].url", "there is no such setting"),
        ("hl7", {"events": ["exam_started"]}, "destinations[1].events[1]", "one of"),
        ("hl7", {"profile": "raw", "events": ["placed"]}, "destinations[1]", "leave events and latest_only out"),
        ("hl7", {"rate": -1}, "destinations[1].rate", "greater than or equal to 0"),
        ("mpps", {"ae_title": "TOO LONG A TITLE FOR DICOM"}, "destinations[1].ae_title", "16"),
        ("mpps", {"latest_only": True}, "destinations[1].latest_only", "there is no such setting"),
        ("webhook", {"url": "ftp://h/x"}, "destinations[1].url", "https://host/path is expected"),
        ("webhook", {"url": "https://user:word@h/x"}, "destinations[1].url", "without user and password"),
        ("webhook", {"url": "http://h/x"}, "destinations[1]", "allow_private"),
        ("webhook", {"secret_env": ""}, "destinations[1]", "always signed"),
        ("webhook", {"secret_file": "f"}, "destinations[1]", "one of secret_env and secret_file"),
        ("file", {"content": "orm-o01", "events": ["patient_merged"]}, "destinations[1]", "patient_merged"),
        ("amqp", {"exchange_type": "tropic", "exchange": "x"}, "destinations[1].exchange_type", "'topic'"),
        ("amqp", {"exchange_type": "topic"}, "destinations[1]", "name it with exchange"),
        ("amqp", {"secret_env": ""}, "destinations[1]", "user needs a password"),
        ("amqp", {"user": "", "secret_env": ""}, "destinations[1]", "tls_certificate to log in with"),
        ("amqp", {"password": "geheim"}, "destinations[1].password", "there is no such setting"),
        ("amqp", {"routing_key": "a.{colour}"}, "destinations[1].routing_key", "there is no place {colour}"),
        ("nats", {"subject": "worklist.>"}, "destinations[1].subject", "words of letters"),
        ("nats", {"secret_env": "S", "secret_file": "f"}, "destinations[1]", "exclude each other"),
        ("nats", {"secret_env": "S", "credentials_file": "f"}, "destinations[1]", "credentials_file holds all"),
        ("fhir", {"url": "http://h/fhir"}, "destinations[1]", "allow_private"),
        ("fhir", {"patient": "name"}, "destinations[1].patient", "'reference'"),
        ("fhir", {"events": ["patient_merged"]}, "destinations[1].events[1]", "one of"),
    ],
)
def test_what_is_wrong_with_a_destination_is_told(kind: str, wrong: dict[str, object], key: str, words: str) -> None:
    entry = {"name": "a", "kind": kind, **DESTINATION[kind], **wrong}
    with pytest.raises(SettingsError) as error:
        load(SHIPPED, {"BROKER__DESTINATIONS": json.dumps([entry])})
    (problem,) = error.value.problems
    assert problem.key == key
    assert words in problem.text


SENDERS = [{"name": "ris-n", "site": "north"}, {"name": "his-n", "site": "north"}, {"name": "ris-s", "site": "south"}]
SITES = [
    pytest.param([], [], set(), id="all"),
    pytest.param(["north"], [], {"ris-n", "his-n"}, id="of a site"),
    pytest.param(["north", "south"], [], {"ris-n", "his-n", "ris-s"}, id="of two sites"),
    pytest.param(["north"], ["ris-n", "ris-s"], {"ris-n"}, id="of a site and named"),
]


@pytest.mark.parametrize(("sites", "senders", "heard"), SITES)
def test_a_destination_hears_the_senders_of_its_sites(sites: list[str], senders: list[str], heard: set[str]) -> None:
    entry = {"name": "a", "kind": "hl7", "host": "h", "port": 1, "sites": sites, "senders": senders}
    environment = {"BROKER__SENDERS": json.dumps(SENDERS), "BROKER__DESTINATIONS": json.dumps([entry])}
    (rule,) = make_site(load(SHIPPED, environment)).destinations
    assert rule.senders == heard


@pytest.mark.parametrize(
    ("wrong", "key", "words"),
    [
        ({"sites": ["west"]}, "destinations[1].sites", "no sender has site 'west'"),
        ({"sites": ["north"], "senders": ["ris-s"]}, "destinations[1].senders", "none of its senders is of its sites"),
    ],
)
def test_a_destination_that_nobody_would_reach_is_an_error(wrong: dict[str, object], key: str, words: str) -> None:
    entry = {"name": "a", "kind": "hl7", "host": "h", "port": 1, **wrong}
    environment = {"BROKER__SENDERS": json.dumps(SENDERS), "BROKER__DESTINATIONS": json.dumps([entry])}
    with pytest.raises(SettingsError) as error:
        load(SHIPPED, environment)
    (problem,) = error.value.problems
    assert problem.key == key
    assert words in problem.text


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path / "broker.toml",
        """
colour = "blue"
[dicom]
port = 70000
ae_title = "THIS_TITLE_IS_TOO_LONG"
[site]
timezone = "Mars/Olympus"
[log]
level = "loud"
[[devices]]
aet = "CT1"
[[destinations]]
name = "ris"
kind = "carrier-pigeon"
host = "127.0.0.1"
port = 1
""",
    )
    with pytest.raises(SettingsError) as wrong:
        load(file, {"BROKER__WEB__PORT": "eighty"})
    told = {p.key: (p.source, p.text) for p in wrong.value.problems}
    assert told["colour"] == (str(file), "there is no such setting; see config/broker.toml for all of them")
    assert "65535" in told["dicom.port"][1]
    assert "dicom.ae_title" in told
    assert 'such as "Europe/Zurich"' in told["site.timezone"][1]
    assert "'debug', 'info', 'warning' or 'error'" in told["log.level"][1]
    assert told["devices[1].ae_title"] == (str(file), "is required")
    assert told["devices[1].aet"][0] == str(file)
    assert "'hl7'" in told["destinations[1].kind"][1]
    assert told["web.port"] == ("BROKER__WEB__PORT", "a whole number is expected")


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ('timezone = "Mars/Olympus"', "senders[1].timezone", 'such as "Europe/Zurich"'),
        ('charset = "FOO"', "senders[1].charset", "UNICODE UTF-8"),
        ('charset_fallback = "CNS 11643-1992"', "senders[1].charset_fallback", "8859/1"),
    ],
)
def test_what_a_sender_could_never_be_read_with_is_told(tmp_path: Path, line: str, key: str, said: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(write(tmp_path / "broker.toml", f'[[senders]]\nname = "ris"\n{line}\n'), {})
    assert [(p.key, said in p.text) for p in wrong.value.problems] == [(key, True)]


def test_environment_wins_over_file(tmp_path: Path) -> None:
    file = write(tmp_path / "broker.toml", "[dicom]\nport = 104\nae_title = 'A'\n")
    settings = load(file, {"BROKER__DICOM__PORT": "105", "BROKER__DATA_DIR": "/srv/broker", "OTHER": "x"})
    assert (settings.dicom.port, settings.dicom.ae_title, settings.data_dir) == (105, "A", Path("/srv/broker"))
    assert settings.database_url == "sqlite:////srv/broker/broker.db"


def test_lists_by_environment_are_json() -> None:
    settings = load(Path(SHIPPED), {"BROKER__DEVICES": '[{"ae_title": "CT1"}]'})
    assert settings.devices[0].ae_title == "CT1"
    with pytest.raises(SettingsError, match="BROKER__DEVICES: lists and tables are written as JSON"):
        load(SHIPPED, {"BROKER__DEVICES": "[CT1"})


def test_included_files_add_to_the_lists_and_are_named_in_problems(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    write(tmp_path / "site" / "a.toml", "[[devices]]\nae_title = 'CT1'\n")
    write(tmp_path / "site" / "b.toml", "[[devices]]\nae_title = 'MR1'\n")
    file = write(tmp_path / "broker.toml", "include = ['site/*.toml']\n[[devices]]\nae_title = 'US1'\n")
    assert [d.ae_title for d in load(file, {}).devices] == ["US1", "CT1", "MR1"]
    second = write(tmp_path / "site" / "b.toml", "[[devices]]\nae_title = 'CT1'\n[[devices]]\nname = 'x'\n")
    with pytest.raises(SettingsError) as wrong:
        load(file, {})
    assert {p.source for p in wrong.value.problems} == {str(second)}


def test_an_include_that_matches_nothing_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no file matches 'site/"):
        load(write(tmp_path / "broker.toml", "include = ['site/*.toml']\n"), {})


@pytest.mark.parametrize("section", ["intake", "dicom"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "broker.hospital.example"])
def test_an_open_port_needs_a_word_about_strangers(section: str, host: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(SHIPPED, {f"BROKER__{section.upper()}__HOST": host})
    assert [(p.key, p.source) for p in wrong.value.problems] == [
        (f"{section}.unknown", f"BROKER__{section.upper()}__HOST")
    ]
    variables = {f"BROKER__{section.upper()}__HOST": host, f"BROKER__{section.upper()}__UNKNOWN": "refuse"}
    assert load(SHIPPED, variables)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


def test_duplicates_are_told() -> None:
    with pytest.raises(SettingsError, match=r"devices\[2\]: 'CT1' is listed twice"):
        load(SHIPPED, {"BROKER__DEVICES": '[{"ae_title": "CT1"}, {"ae_title": "CT1"}]'})


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load(tmp_path / "none.toml", {})
    with pytest.raises(SettingsError, match="is not valid TOML"):
        load(write(tmp_path / "broken.toml", "[dicom\n"), {})


def test_the_file_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_file(None, {}) is None
    (tmp_path / "config").mkdir()
    write(tmp_path / "config" / "broker.toml", "")
    assert find_file(None, {}) == Path("config/broker.toml")
    assert find_file(None, {"BROKER_CONFIG": "/etc/broker.toml"}) == Path("/etc/broker.toml")
    assert find_file(Path("mine.toml"), {"BROKER_CONFIG": "/etc/broker.toml"}) == Path("mine.toml")
