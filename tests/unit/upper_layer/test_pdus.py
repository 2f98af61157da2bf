"""PDU framing and writing: whole, byte by byte, cut short, out of limits; against pynetdicom's encoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_RELEASE_RP, A_RELEASE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

from broker.dicom.upper_layer import pdus
from broker.dicom.upper_layer.pdus import AbortReason, AbortSource, Pdu, PduError, PduReader, PduType
from tests.unit.upper_layer import wire

STREAM = wire.associate_rq() + wire.echo() + wire.find() + wire.RELEASE_RQ
KINDS = [PduType.ASSOCIATE_RQ, PduType.P_DATA_TF, PduType.P_DATA_TF, PduType.P_DATA_TF, PduType.RELEASE_RQ]


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 100, len(STREAM)])
def test_the_same_pdus_come_out_however_the_bytes_arrive(size: int) -> None:
    reader = PduReader(16384)
    found = [pdu for piece in pieces(STREAM, size) for pdu in reader.feed(piece)]
    assert [pdu.kind for pdu in found] == KINDS
    assert b"".join(wire.pdu(pdu.kind, pdu.body) for pdu in found) == STREAM
    assert not reader.partial


@pytest.mark.parametrize("cut", [1, 5, 6, 7, 100])
def test_a_cut_pdu_stays_partial(cut: int) -> None:
    reader = PduReader(16384)
    assert list(reader.feed(wire.associate_rq()[:cut])) == []
    assert reader.partial


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"G", AbortReason.UNRECOGNIZED_PDU),
        (b"\x16\x03\x01", AbortReason.UNRECOGNIZED_PDU),
        (b"\x00", AbortReason.UNRECOGNIZED_PDU),
        (b"\x08", AbortReason.UNRECOGNIZED_PDU),
        (bytes.fromhex("0400ffffffff"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("040000004007"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("040000000005"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("0100ffffffff"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("010000000043"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("050000000005"), AbortReason.INVALID_PARAMETER_VALUE),
        (bytes.fromhex("070000000000"), AbortReason.INVALID_PARAMETER_VALUE),
    ],
)
def test_junk_and_lengths_outside_the_limits_are_refused_before_their_body(data: bytes, reason: AbortReason) -> None:
    with pytest.raises(PduError) as caught:
        list(PduReader(16384).feed(data))
    assert caught.value.reason is reason


def test_the_length_limit_allows_the_pdv_header_on_top() -> None:
    longest = wire.pdu(4, bytes(16384 + 6))
    assert list(PduReader(16384).feed(longest)) == [Pdu(PduType.P_DATA_TF, bytes(16384 + 6))]


@pytest.mark.parametrize("size", [0, 1, 2, 10, 11, 100, 101])
@pytest.mark.parametrize("limit", [8, 9, 16, 64, 16384])
@pytest.mark.parametrize("is_command", [True, False])
def test_data_pdus_keep_the_peers_limit_and_even_lengths(size: int, limit: int, is_command: bool) -> None:
    payload = bytes(range(256))[:size]
    reader = PduReader(1 << 20)
    found = list(reader.feed(pdus.data_pdus(3, is_command, payload, limit)))
    values = [pdus.read_pdvs(pdu.body) for pdu in found]
    assert all(len(pdu.body) <= limit for pdu in found)
    assert [len(inside) for inside in values] == [1] * len(found)
    flat = [inside[0] for inside in values]
    assert b"".join(pdv.fragment for pdv in flat) == payload
    assert [pdv.is_last for pdv in flat] == [False] * (len(flat) - 1) + [True]
    assert {(pdv.context_id, pdv.is_command) for pdv in flat} == {(3, is_command)}
    assert all(len(pdv.fragment) % 2 == 0 for pdv in flat[:-1])


def test_no_limit_still_makes_pdus_of_a_sensible_length() -> None:
    encoded = pdus.data_pdus(1, False, bytes(300_000), 0)
    assert [len(pdu.body) for pdu in PduReader(1 << 20).feed(encoded)] == [131_072, 131_072, 300_000 - 2 * 131_066 + 6]


def test_data_pdus_are_pynetdicoms_bytes() -> None:
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((5, b"\x03" + b"command!"))
    assert pdus.data_pdus(5, True, b"command!", 16384) == P_DATA_TF(primitive).encode()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pdus.RELEASE_RQ, A_RELEASE_RQ),
        (pdus.RELEASE_RP, A_RELEASE_RP),
        (pdus.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU), A_ABORT_RQ),
        (pdus.reject(2, 3, 2), A_ASSOCIATE_RJ),
    ],
)
def test_fixed_pdus_are_read_and_written_alike_by_pynetdicom(ours: bytes, theirs: type) -> None:
    decoded = theirs()
    decoded.decode(ours)
    assert decoded.encode() == ours


def test_reject_and_abort_carry_their_codes() -> None:
    rejection = A_ASSOCIATE_RJ()
    rejection.decode(pdus.reject(1, 2, 2))
    assert (rejection.result, rejection.source, rejection.reason_diagnostic) == (1, 2, 2)
    abort = A_ABORT_RQ()
    abort.decode(pdus.abort(AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PARAMETER_VALUE))
    assert (abort.source, abort.reason_diagnostic) == (2, 6)


@pytest.mark.parametrize("body", [b"\0", bytes(5), wire.pdv(1, 3, b"ab")[:-1], bytes(6), bytes.fromhex("000000010103")])
def test_values_that_do_not_fit_their_pdu_are_refused(body: bytes) -> None:
    with pytest.raises(PduError):
        pdus.read_pdvs(body)


@given(st.binary(max_size=64))
def test_arbitrary_values_give_values_or_a_pdu_error(body: bytes) -> None:
    try:
        found = pdus.read_pdvs(body)
    except PduError:
        return
    assert sum(6 + len(pdv.fragment) for pdv in found) == len(body)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_arbitrary_bytes_are_judged_the_same_in_any_pieces(data: bytes, size: int) -> None:
    def run(parts: list[bytes]) -> tuple[list[Pdu], AbortReason | None]:
        reader, found = PduReader(64), []
        try:
            for part in parts:
                for pdu in reader.feed(part):
                    found.append(pdu)  # noqa: PERF402 - what came before an error counts
        except PduError as problem:
            return found, problem.reason
        return found, None

    assert run([data]) == run(pieces(data, size))
