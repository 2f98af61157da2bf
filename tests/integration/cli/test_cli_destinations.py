"""Destinations and previews at the command line: what a person sees and does, and what is said when it is wrong."""

from pathlib import Path

import pytest

from broker.domain.model import FactKind
from broker.settings_source import load
from broker.wiring import open_context
from tests.peers.orders import happen, place
from tests.support.command import broker

SETTINGS = """
data_dir = "{folder}/data"
[delivery]
templates_dir = "{folder}"
[[destinations]]
name = "ris"
kind = "hl7"
host = "127.0.0.1"
port = 1
profile = "own"
[[destinations]]
name = "board"
kind = "webhook"
url = "https://127.0.0.1:1/"
secret_env = "NOBODY_SET_THIS"
[[destinations]]
name = "drop"
kind = "file"
folder = "{folder}/missing"
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_destinations_are_listed_held_and_previewed(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text(SETTINGS.format(folder=tmp_path), encoding="utf-8")
    template = tmp_path / "own.toml"
    template.write_text('extends = "omg-o19"\n[segments.OBR]\n21 = "HELLO"\n', encoding="utf-8")
    config = ("--config", file)
    broker("db", "upgrade", *config)

    assert "ris: paused by command line: new server" in "".join(
        [
            broker("destinations", "pause", "ris", "--reason", "new server", *config),
            broker("destinations", "list", *config),
        ]
    )
    assert "goes on" in broker("destinations", "resume", "ris", *config)
    assert "known are: ris, board, drop" in broker("destinations", "drain", "pacs", *config, code=1)
    assert "ris: 0 retried" in broker("destinations", "retry-parked", "ris", *config)
    assert "ris is still told" in broker("destinations", "skip-waiting", "ris", *config, code=1)

    shown = broker("notifications", "preview", "--destination", "ris", "--event", "completed", *config)
    assert "OMG^O19^OMG_O19" in shown
    assert "|HELLO|" in shown
    assert '"type": "worklist-broker.order.started"' in broker(
        "notifications", "preview", "--destination", "board", *config
    )
    assert "there is no notification 7" in broker(
        "notifications", "preview", "7", "--destination", "ris", *config, code=1
    )

    template.write_text('extends = "omg-o19"\n[segments.OBR]\n21 = { from = "order.colour" }\n', encoding="utf-8")
    told = broker("check", *config, code=1)
    assert "ris: template own: segments.OBR.21: there is no 'order.colour' here; known are" in told
    assert "board: the environment variable NOBODY_SET_THIS holds no secret" in told
    assert "drop: folder" in told


@pytest.mark.slow
def test_a_late_destination_is_told_of_by_the_list_and_by_check(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text(
        f'data_dir = "{tmp_path}/data"\n[delivery]\nalarm_minutes = 0.0001\n'
        '[[destinations]]\nname = "ris"\nkind = "hl7"\nhost = "127.0.0.1"\nport = 1\n'
        '[[destinations]]\nname = "patient"\nkind = "hl7"\nhost = "127.0.0.1"\nport = 1\nalarm_minutes = 60\n',
        encoding="utf-8",
    )
    broker("db", "upgrade", "--config", file)
    context = open_context(load(file, {}))
    happen(context, place(context, 1), FactKind.ORDER_STARTED)
    context.database.close()
    late = "ris: 1 notification waits, the oldest for "
    listed = broker("destinations", "list", "--config", file)
    assert f"late: {late}" in listed
    checked = broker("check", "--config", file)
    assert f"warning  destination   {late.replace(':', ' is late:')}" in checked
    assert "patient is late" not in checked + listed
