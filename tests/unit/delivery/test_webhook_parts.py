"""The parts of a webhook: signature, document, addresses, waiting."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.delivery import cloud_event
from broker.delivery.cloud_event import EventStyle
from broker.delivery.hl7_check import sample
from broker.delivery.http import Poster, RequestFailed, Target, _is_public
from broker.delivery.signature import SecretError, SecretSource, sign
from broker.delivery.webhook import retry_after
from broker.domain.model import FactKind

NOW = datetime(2026, 7, 4, 8, 0, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_published_example_of_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", SECRET)
    secrets = SecretSource("HOOK").secrets()
    signature = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secrets)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_rotates_both_sign_and_the_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n", encoding="ascii")
    source = SecretSource(file=str(file))
    (old,) = source.secrets()
    newer = base64.b64encode(b"n" * 32).decode()
    file.write_text(f"whsec_{newer}\n{SECRET}\n", encoding="ascii")
    assert source.secrets() == [b"n" * 32, old]
    assert len(sign("id", 1, b"", source.secrets()).split(" ")) == 2


@pytest.mark.parametrize("text", ["", "  \n", "whsec_????", "whsec_c2hvcnQ=", "geheim", "whsec_" + "A" * 200])
def test_a_secret_that_cannot_be_used_is_never_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secret"
    file.write_text(text, encoding="ascii")
    with pytest.raises(SecretError) as error:
        SecretSource(file=str(file)).secrets()
    assert str(file) in str(error.value)
    assert not text.strip() or text.strip() not in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be read"):
        SecretSource(file=str(tmp_path / "none")).secrets()


def test_the_document_has_the_attributes_of_cloudevents() -> None:
    found = json.loads(cloud_event.encode(replace(sample(), key=17), EventStyle("St. Mary's")))
    assert {key: found[key] for key in found if key != "data"} == {
        "specversion": "1.0", "id": "PREVIEW", "source": "/worklist-broker/St.%20Mary%27s",
        "type": "worklist-broker.order.started", "time": "2026-07-04T07:42:00Z", "subject": "order:0",
        "sequence": "00000000000000000017", "datacontenttype": "application/json",
    }  # fmt: skip


def test_the_document_names_nobody_unless_told_to() -> None:
    minimal = cloud_event.encode(sample(), EventStyle("Radiology")).decode()
    for secret in ("MEIER", "4711", "19700131", "V99", "WELBY"):
        assert secret not in minimal
    assert json.loads(minimal)["data"]["order"]["accession"]["value"] == "A100"
    named = json.loads(cloud_event.encode(sample(), EventStyle("Radiology", patient_data=True)))
    assert named["data"]["patient"]["name"] == "MEIER^EVA^^DR"


def test_a_fact_about_a_patient_alone_has_a_document() -> None:
    about = sample(FactKind.PATIENT_MERGED)
    about = replace(about, payload={**about.payload, "order": None, "procedures": [], "performed": None})
    assert cloud_event.document(about, EventStyle("R"))["data"] == {
        "fact": "patient.merged", "inferred": False, "order": None, "procedures": [], "performed": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", None), ("soon", None), ("-5", None), ("0", 0), ("120", 120), ("99999999", 86400), ("²", None),
        ("Sat, 04 Jul 2026 08:01:30 GMT", 90), ("Sat, 04 Jul 2026 07:00:00 GMT", 0),
        ("Sun, 04 Jul 2027 08:00:00 GMT", 86400),
    ],
)  # fmt: skip
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("2002:7f00:1::", False),
        ("64:ff9b:1::1", False), ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d822", True),
    ],
)  # fmt: skip
def test_which_addresses_are_of_the_public_internet(address: str, public: bool) -> None:
    assert _is_public(address) is public


@pytest.mark.parametrize("url", ["https://localhost:9/x", "https://127.0.0.1:9/", "https://[::1]:9/"])
def test_private_addresses_are_not_connected_to(url: str) -> None:
    with pytest.raises(RequestFailed, match="not of the public Internet"):
        Poster(Target(url)).post(b"", {})


def test_facts_about_images_say_where_they_are() -> None:
    about = sample(FactKind.STUDY_PARTLY_AVAILABLE)
    data = {"study": "1.2", "at": ["ARCHIVE"], "instances": 1, "available": 1, "missing": 1, "unavailable": 0}
    about = replace(about, payload={**about.payload, "fact": about.kind.value, "data": data})
    for style in (EventStyle("R"), EventStyle("R", patient_data=True)):
        told = cloud_event.document(about, style)["data"]
        assert isinstance(told, dict)
        assert told["images"] == {**data, "expected": None, "performed": None}
