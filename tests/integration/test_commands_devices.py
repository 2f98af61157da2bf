"""The commands for devices and explanations, against a database and against a running broker."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from broker.domain.site import Site
from broker.services.context import Context
from broker.services.devices import DeviceLog
from broker.store import migrate
from broker.store.database import Database
from tests.conftest import StartBroker
from tests.support.command import broker
from tests.support.worklist import NOW, Item, fill


def prepare(folder: Path) -> dict[str, str]:
    """A data folder with two items and a device that knocked; answers the environment of commands."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'broker.db'}"
    migrate.upgrade(url)
    database = Database(url)
    database.write(lambda c: fill(c, [Item(), Item(step={"Modality": "MR", "ScheduledStationAETitle": ["MR1"]})]))
    log = DeviceLog(Context(database, Site(zone=ZoneInfo("UTC")), lambda: NOW))
    log.seen("CT_1", "10.0.0.7", known=False)
    log.stop()
    database.close()
    return {"BROKER__DATA_DIR": str(folder), "BROKER__DEVICES": '[{"ae_title": "CT1", "stations": ["CT1"]}]'}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_devices_and_explanations_at_the_command_line(tmp_path: Path) -> None:
    environment = prepare(tmp_path / "data")
    listed = broker("devices", "list", environment=environment)
    assert "like CT1: differs in spaces, underscores or dashes" in listed
    assert "not registered" in broker("explain", "--device", "CT_1", environment=environment)
    arguments = ("devices", "accept", "CT_1", "--set", "stations=MR1", "--set", "limit=5")
    assert "CT_1 is registered" in broker(*arguments, environment=environment)
    shown = broker("devices", "show", "CT_1", environment=environment)
    assert "stations = MR1" in shown
    assert "limit = 5" in shown
    explained = broker("explain", "--device", "CT_1", "--accession", "A1", environment=environment)
    assert "0 of 1 candidates are shown" in explained
    assert "remedy: Schedule the step for this device, or change its `stations`." in explained
    assert "charset: " in broker(*arguments[:3], "--set", "charset=x", environment=environment, code=1)
    assert "settings file" in broker("devices", "accept", "CT1", environment=environment, code=1)
    assert "no longer registered" in broker("devices", "forget", "CT_1", environment=environment)
    assert "was ever seen" in broker("devices", "show", "NEVER", environment=environment, code=1)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_device_is_tried_out_on_the_running_broker(tmp_path: Path, start_broker: StartBroker) -> None:
    environment = prepare(tmp_path / "data")
    start_broker({"BROKER__DEVICES": environment["BROKER__DEVICES"]}, data_dir=tmp_path / "data")
    said = broker("devices", "test", "CT1", environment={**environment, "BROKER__DICOM__PORT": "0"})
    assert "registered    yes" in said
    assert "verification  answered" in said
    assert "worklist      1 items, status 0000" in said


def test_a_wrong_device_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("ae_title,limit\nCT1,many\n", encoding="utf-8")
    environment = {"BROKER__DATA_DIR": str(tmp_path / "data"), "BROKER__DICOM__DEVICES": str(file)}
    assert f"{file}: line 2, limit: a number is expected" in broker("serve", environment=environment, code=2)
