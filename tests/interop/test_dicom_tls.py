"""The running broker over TLS, with DCMTK as the device: settings, certificates, checks of listed devices."""

import subprocess
from pathlib import Path

import pytest

from broker.settings_source import SettingsError, load
from tests.conftest import StartBroker
from tests.support.certificates import Certificates, make_certificates
from tests.support.command import broker as command
from tests.support.process import BrokerProcess
from tests.support.requirements import need

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    need("dcmtk")
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def broker(certificates: Certificates, tmp_path: Path, start_broker: StartBroker) -> BrokerProcess:
    """CT1 must show its certificate; CT2 calls from somewhere else than it does here."""
    folder = certificates.folder
    settings = tmp_path / "broker.toml"
    settings.write_text(
        f"""
        [dicom.tls]
        port = 0
        certificate = "{folder}/localhost.pem"
        key = "{folder}/localhost.key"
        ca = "{folder}/ca.pem"
        [[devices]]
        ae_title = "CT1"
        certificates = ["ct1"]
        [[devices]]
        ae_title = "CT2"
        addresses = ["192.0.2.0/24"]
        """,
        encoding="utf-8",
    )
    return start_broker(arguments=("serve", "--config", str(settings)))


def echo(port: int, title: str, certificates: Certificates | None = None, name: str = "ct1") -> str:
    """What echoscu says; over TLS with certificates."""
    tls: list[str] = []
    if certificates:
        folder = certificates.folder
        tls = ["+tls", f"{folder}/{name}.key", f"{folder}/{name}.pem", "+cf", f"{folder}/ca.pem"]
    asked = ["echoscu", "-v", *tls, "-aet", title, "-aec", "BROKER", "localhost", str(port)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == ("Received Echo Response (Success)" in said), said
    return said


def test_devices_over_tls_and_beside_it(broker: BrokerProcess, certificates: Certificates) -> None:
    plain, secure = broker.ports["dicom"], broker.ports["dicom_tls"]
    assert "Success" in echo(secure, "CT1", certificates)
    assert "Success" in echo(plain, "CT9")
    for refused in (
        echo(plain, "CT1"),  # listed with a certificate, shows none
        echo(secure, "CT1", certificates, name="localhost"),  # shows that of somebody else
        echo(plain, "CT2"),  # calls from another address
    ):
        assert "Calling AE Title Not Recognized" in refused
    assert "Success" not in echo(secure, "CT9")  # no handshake
    assert "shows no certificate of this device" in broker.log
    assert "its address is not one of this device" in broker.log


def test_wrong_files_are_told(certificates: Certificates, tmp_path: Path) -> None:
    folder = certificates.folder
    settings = tmp_path / "broker.toml"
    settings.write_text(
        f'[dicom.tls]\ncertificate = "{folder}/ct1.pem"\nkey = "{folder}/localhost.key"\nca = "{folder}/ca.pem"\n',
        encoding="utf-8",
    )
    environment = {"BROKER__DATA_DIR": str(tmp_path / "data")}
    told = command("check", "--config", settings, environment=environment, code=1)
    assert "dicom.tls" in told
    assert "are no certificate with its key" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[dicom.tls]\ncertificate = 'a.pem'\n", "key is needed"),
        ("[dicom.tls]\ncertificate = 'a.pem'\nkey = 'a.key'\n", "ca is needed"),
        (
            "[dicom.tls]\nhost = '0.0.0.0'\ncertificate = 'a.pem'\nkey = 'a.key'\nrequire_client_certificate = false\n",
            "without a certificate",
        ),
        ("[[devices]]\nae_title = 'CT1'\naddresses = ['10.1.2']\n", "an address or a network"),
        ("[[devices]]\nae_title = 'CT1'\ncertificates = ['sha256:12']\n", "64 hexadecimal digits"),
    ],
)
def test_incomplete_settings_are_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "broker.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        load(file, {})
