"""What a device must show: address, certificate, number of associations."""

import hashlib

import pytest

from broker.dicom.device_checks import DeviceCheck, DeviceChecks, certificate, network
from broker.dicom.messages import Association
from broker.dicom.upper_layer import AssociationAborted, AssociationClosed, AssociationOpened
from broker.dicom.upper_layer.observer import AssociationEvent
from broker.dicom.upper_layer.policy import AssociationRequest, TlsPeer

DER = b"a certificate"
FINGERPRINT = hashlib.sha256(DER).hexdigest()
SHOWN = TlsPeer("TLSv1.3", "any", DER, (("organizationName", "Radiology"), ("commonName", "ct1")))
NOT_RECOGNIZED, LIMIT = (1, 1, 3), (2, 3, 2)


def asked(address: str = "10.1.2.3", tls: TlsPeer | None = None, title: str = "CT1") -> AssociationRequest:
    return AssociationRequest(title, "BROKER", address, 4711, tls=tls)


def answer(checks: DeviceChecks, request: AssociationRequest) -> tuple[int, int, int] | None:
    objection = checks.objection(request)
    return (objection[0].result, objection[0].source, objection[0].reason) if objection else None


ADDRESSES = [
    ((), "192.0.2.1", None),
    (("10.1.2.3",), "10.1.2.3", None),
    (("10.1.2.3",), "10.1.2.4", NOT_RECOGNIZED),
    (("10.1.2.0/24", "fd00::/8"), "10.1.2.250", None),
    (("10.1.2.0/24", "fd00::/8"), "fd00::17%eth0", None),
    (("10.1.2.0/24",), "::ffff:10.1.2.9", None),
    (("10.1.2.0/24",), "fd00::17", NOT_RECOGNIZED),
    (("10.1.2.0/24",), "", NOT_RECOGNIZED),
]


@pytest.mark.parametrize(("allowed", "address", "expected"), ADDRESSES)
def test_addresses(allowed: tuple[str, ...], address: str, expected: tuple[int, int, int] | None) -> None:
    checks = DeviceChecks({"CT1": DeviceCheck(networks=tuple(map(network, allowed)))})
    assert answer(checks, asked(address)) == expected


CERTIFICATES = [
    ((), None, None),
    (("ct1",), SHOWN, None),
    (("CT1",), SHOWN, NOT_RECOGNIZED),
    (("Radiology",), SHOWN, NOT_RECOGNIZED),
    (("other", f"SHA256:{FINGERPRINT.upper()}"), SHOWN, None),
    (("sha256:" + ":".join(FINGERPRINT[n : n + 2] for n in range(0, 64, 2)),), SHOWN, None),
    ((f"sha256:{'0' * 64}",), SHOWN, NOT_RECOGNIZED),
    (("ct1",), TlsPeer("TLSv1.3", "any"), NOT_RECOGNIZED),
    (("ct1",), None, NOT_RECOGNIZED),
]


@pytest.mark.parametrize(("wanted", "tls", "expected"), CERTIFICATES)
def test_certificates(wanted: tuple[str, ...], tls: TlsPeer | None, expected: tuple[int, int, int] | None) -> None:
    checks = DeviceChecks({"CT1": DeviceCheck(certificates=tuple(map(certificate, wanted)))})
    assert answer(checks, asked(tls=tls)) == expected


def test_devices_without_checks_are_let_through() -> None:
    assert answer(DeviceChecks({"CT1": DeviceCheck(max_associations=1)}), asked(title="CT2")) is None


def test_the_number_of_associations_of_one_device() -> None:
    checks = DeviceChecks({"CT1": DeviceCheck(max_associations=2)})

    def tell(*events: AssociationEvent) -> None:
        for event in events:
            checks.observe(event)

    ct1, ct2 = (Association(title, "BROKER", "10.1.2.3", 1) for title in ("CT1", "CT2"))
    tell(AssociationOpened(ct2, (), False), AssociationOpened(ct2, (), False), AssociationOpened(ct1, (), False))
    assert answer(checks, asked()) is None
    tell(AssociationOpened(ct1, (), False))
    assert answer(checks, asked()) == LIMIT
    tell(AssociationAborted("10.1.2.3", 1, None, by_peer=True, source=0, reason=0, detail="before there was one"))
    assert answer(checks, asked()) == LIMIT
    tell(AssociationClosed(ct1, 1.0, 1))
    assert answer(checks, asked()) is None
    tell(AssociationOpened(ct1, (), False))
    assert answer(checks, asked()) == LIMIT
    tell(AssociationAborted("10.1.2.3", 1, ct1, by_peer=True, source=0, reason=0, detail="gone"))
    assert answer(checks, asked()) is None
