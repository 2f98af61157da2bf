"""What is read out of a proposal and what is answered; pynetdicom decodes the answers and is the oracle."""

import struct
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu_primitives as theirs
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.presentation import SCP_SCU_ROLES

from broker.dicom.upper_layer import pdus
from broker.dicom.upper_layer.config import AcceptorConfig
from broker.dicom.upper_layer.negotiation import Agreement, Negotiator
from broker.dicom.upper_layer.pdus import PduError
from broker.dicom.upper_layer.policy import UserIdentity
from broker.dicom.upper_layer.proposal import read_ae_title, read_proposal
from tests.unit.upper_layer import wire

# pydicom remarks on UIDs that break a rule; such devices exist and are answered all the same
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR UI")

CONFIG = AcceptorConfig()
STORAGE = "1.2.840.10008.5.1.4.1.1.2"
PREFERENCE = [wire.EXPLICIT, wire.IMPLICIT, wire.BIG_ENDIAN, wire.DEFLATED]


def extended(sop_class: str, information: bytes) -> bytes:
    return wire.item(0x56, struct.pack(">H", len(sop_class)) + sop_class.encode() + information)


def role(sop_class: str, scu: int, scp: int) -> bytes:
    return wire.item(0x54, struct.pack(">H", len(sop_class)) + sop_class.encode() + bytes([scu, scp]))


def identity(kind: int, primary: bytes, secondary: bytes = b"", wanted: int = 0) -> bytes:
    body = struct.pack(">BBH", kind, wanted, len(primary)) + primary + struct.pack(">H", len(secondary)) + secondary
    return wire.item(0x58, body)


def negotiate(body: bytes, config: AcceptorConfig = CONFIG, server_response: bytes = b"") -> Agreement:
    negotiator = Negotiator(config)
    return negotiator.agree(negotiator.read(body), server_response)


def answer(agreement: Agreement) -> theirs.A_ASSOCIATE:
    decoded = A_ASSOCIATE_AC()
    decoded.decode(pdus.accept(wire.associate_rq()[6:], agreement.encoded))
    return decoded.to_primitive()


def items(agreement: Agreement, kind: type) -> list:
    return [item for item in answer(agreement).user_information if isinstance(item, kind)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"CT1             ", "CT1"),
        (b"  CT 1          ", "CT 1"),
        (b"CT1\0\0", "CT1"),
        (b" " * 16, ""),
        (b"CT\xff\n1", "CT??1"),
    ],
)
def test_ae_titles_lose_insignificant_spaces_and_cannot_forge_log_lines(field: bytes, expected: str) -> None:
    assert read_ae_title(field) == expected


def test_a_proposal_is_read() -> None:
    found = read_proposal(wire.variable(max_pdu=32768, extra=wire.item(0x53, bytes(4)) + role(wire.MPPS, 1, 0)))
    assert found.application_context == wire.APPLICATION_CONTEXT
    assert found.abstract_syntaxes == (wire.VERIFICATION, wire.WORKLIST, wire.MPPS, wire.MPPS_RETRIEVE)
    assert (found.max_pdu, found.implementation_class_uid, found.implementation_version) == (32768, "1.2.3.4", "HAND_1")
    assert (found.roles, found.offers_asynchronous_operations, found.user_identity) == (
        {wire.MPPS: (True, False)},
        True,
        None,
    )


@pytest.mark.parametrize(
    "extra",
    [wire.item(0x5A, b"new"), wire.item(0xFF, b""), wire.item(0x5A, b"new") + extended(wire.WORKLIST, b"\1\1\1")],
)
def test_items_of_unknown_types_are_ignored(extra: bytes) -> None:
    """PS3.8 section 9.3.1."""
    body = wire.variable(extra=extra) + wire.item(0x77, b"who knows")
    assert read_proposal(body).abstract_syntaxes == read_proposal(wire.variable()).abstract_syntaxes


def test_a_peer_without_a_maximum_length_sets_none() -> None:
    assert negotiate(wire.variable(max_pdu=None)).max_pdu == 0
    assert negotiate(wire.variable(max_pdu=0)).max_pdu == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        wire.item(0x10, wire.APPLICATION_CONTEXT.encode()) + wire.user_information(),
        wire.item(0x10, wire.APPLICATION_CONTEXT.encode()) + wire.context(1, wire.WORKLIST, [wire.IMPLICIT]),
        wire.variable([(2, wire.WORKLIST, [wire.IMPLICIT])]),
        wire.variable([(1, wire.WORKLIST, [wire.IMPLICIT]), (1, wire.MPPS, [wire.IMPLICIT])]),
        wire.variable([(1, wire.WORKLIST, [])]),
        wire.variable([(1, "", [wire.IMPLICIT])]),
        wire.variable([(1, "1" * 65, [wire.IMPLICIT])]),
        wire.variable(max_pdu=4),
        wire.variable()[:-1],
        wire.variable() + b"\x20",
        wire.variable(extra=wire.item(0x58, b"\1\0\0\x09abc")),
        wire.variable(extra=wire.item(0x58, b"\1")),
        wire.variable(extra=wire.item(0x54, b"\0\xff")),
    ],
)
def test_proposals_that_cannot_be_read_are_pdu_errors(body: bytes) -> None:
    with pytest.raises(PduError):
        Negotiator(CONFIG).read(body)


@pytest.mark.parametrize("offered", [list(parts) for n in (1, 2, 4) for parts in product(PREFERENCE, repeat=n)][:60])
def test_the_preferred_of_the_offered_transfer_syntaxes_is_chosen(offered: list[str]) -> None:
    agreement = negotiate(wire.variable([(1, wire.WORKLIST, offered)]))
    assert agreement.contexts[1].transfer_syntax_uid == min(offered, key=PREFERENCE.index)


def test_contexts_are_answered_one_by_one_and_refusals_are_named() -> None:
    asked = [
        (1, wire.WORKLIST, [wire.IMPLICIT]),
        (3, STORAGE, [wire.IMPLICIT, wire.EXPLICIT]),
        (5, wire.MPPS, ["1.2.840.10008.1.2.4.50"]),
        (255, wire.WORKLIST, [wire.DEFLATED]),
        (7, "1.2.3.private", [wire.IMPLICIT]),
    ]
    agreement = negotiate(wire.variable(asked))
    results = {cx.context_id: cx.result for cx in answer(agreement).presentation_context_definition_results_list}
    assert results == {1: 0, 3: 3, 5: 4, 7: 3, 255: 0}
    assert {number: agreed.transfer_syntax_uid for number, agreed in agreement.contexts.items()} == {
        1: wire.IMPLICIT,
        255: wire.DEFLATED,
    }
    named = {refused.context_id: (refused.name, refused.result) for refused in agreement.rejected}
    assert named == {
        3: ("CT Image Storage", 3),
        5: ("Modality Performed Procedure Step SOP Class", 4),
        7: ("1.2.3.private", 3),
    }
    assert next(refused for refused in agreement.rejected if refused.context_id == 3).transfer_syntaxes == (
        wire.IMPLICIT,
        wire.EXPLICIT,
    )


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"V1\0", "V1"), (b" V1 ", "V1"), (b"A" * 20, "A" * 16), (b"V\xe9", "V?"), (b"A\\B", "A?B"), (b"", ""),
     (b"V1\n2026-01-01 ERROR", "V1?2026-01-01 ER")],
)  # fmt: skip
def test_no_association_fails_over_a_version_name(sent: bytes, expected: str) -> None:
    usual, kept = wire.user_information(), wire.user_information()[4:].removesuffix(wire.item(0x55, b"HAND_1"))
    odd = wire.item(0x50, kept + wire.item(0x55, sent))
    proposal = read_proposal(wire.variable().replace(usual, odd))
    assert proposal.implementation_version == expected


def test_names_of_refused_contexts_cannot_forge_log_lines() -> None:
    asked = [(1, wire.WORKLIST, [wire.IMPLICIT]), (3, "1.2\n2026-01-01 ERROR\x1b[2J", ["1.2\n3"])]
    (refused,) = negotiate(wire.variable(asked)).rejected
    assert refused.name == refused.abstract_syntax == "1.2?2026-01-01 ERROR?[2J"
    assert refused.transfer_syntaxes == ("1.2?3",)


def test_the_answer_says_who_we_are() -> None:
    config = replace(CONFIG, max_pdu=40000, implementation_version_name="BROKER_TEST")
    found = answer(negotiate(wire.variable(), config))
    assert found.maximum_length_received == 40000
    assert found.implementation_class_uid == config.implementation_class_uid
    assert [
        item.implementation_version_name
        for item in found.user_information
        if isinstance(item, theirs.ImplementationVersionNameNotification)
    ] == ["BROKER_TEST"]
    assert found.application_context_name == wire.APPLICATION_CONTEXT


@pytest.mark.parametrize("proposed", [(1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("uid", [wire.MPPS, wire.MPPS_NOTIFICATION])
def test_the_requestor_is_always_the_user(proposed: tuple[int, int], uid: str) -> None:
    """PS3.7 D.3.3.4: a role that was not proposed is not granted; a requestor that cannot be SCU is refused.

    Events go to the SCU: a requestor of MPPS Notification is told some, and cannot tell us any.
    """
    agreement = negotiate(wire.variable([(1, uid, [wire.IMPLICIT])], extra=role(uid, *proposed)))
    outcome = SCP_SCU_ROLES[bool(proposed[0]), bool(proposed[1])][True, False]
    is_scp = outcome[3]
    assert (1 in agreement.contexts) is is_scp
    granted = [(item.scu_role, item.scp_role) for item in items(agreement, theirs.SCP_SCU_RoleSelectionNegotiation)]
    assert granted == ([(bool(proposed[0]), False)] if is_scp else [])
    if not is_scp:
        assert [refused.result for refused in agreement.rejected] == [1]


def test_roles_nobody_can_hold_do_not_break_the_negotiation() -> None:
    agreement = negotiate(wire.variable([(1, wire.MPPS, [wire.IMPLICIT])], extra=role(wire.MPPS, 0, 0)))
    assert not agreement.contexts


@pytest.mark.parametrize(
    ("offered", "supports", "expected", "granted"),
    [
        (b"\1\1\1\1", (True, True), b"\1\1\1\1", (True, True)),
        (b"\1\1\1\1", (True, False), b"\1\1\1\0", (True, False)),
        (b"\1\1\1\1", (False, True), b"\1\1\0\1", (False, True)),
        (b"\1\1\0\1", (True, True), b"\1\1\0\1", (False, True)),
        (b"\1\1\1", (True, True), b"\1\1\1", (True, False)),
        (b"\1\1\1\1\1", (True, True), b"\1\1\1\1", (True, True)),
        (b"\1\1\1\1", (False, False), None, (False, False)),
        (b"\1\1", (True, True), None, (False, False)),
        (b"", (True, True), None, (False, False)),
    ],
)
def test_extended_negotiation_grants_what_is_asked_and_supported(
    offered: bytes, supports: tuple[bool, bool], expected: bytes | None, granted: tuple[bool, bool]
) -> None:
    """PS3.4 K.5: an answer has the length of the offer; no answer means not supported."""
    config = replace(CONFIG, fuzzy_names=supports[0], timezone_adjustment=supports[1])
    agreement = negotiate(wire.variable(extra=extended(wire.WORKLIST, offered)), config)
    found = [
        item.service_class_application_information for item in items(agreement, theirs.SOPClassExtendedNegotiation)
    ]
    assert found == ([expected] if expected is not None else [])
    assert (agreement.fuzzy_names, agreement.timezone_adjustment) == granted


def test_extended_negotiation_of_a_refused_class_is_not_answered() -> None:
    config = replace(CONFIG, fuzzy_names=True)
    body = wire.variable([(1, wire.MPPS, [wire.IMPLICIT])], extra=extended(wire.WORKLIST, b"\1\1\1"))
    assert items(negotiate(body, config), theirs.SOPClassExtendedNegotiation) == []


@pytest.mark.parametrize(("offered", "expected"), [(wire.item(0x53, b"\0\x10\0\x10"), [(1, 1)]), (b"", [])])
def test_one_operation_at_a_time(offered: bytes, expected: list[tuple[int, int]]) -> None:
    found = items(negotiate(wire.variable(extra=offered)), theirs.AsynchronousOperationsWindowNegotiation)
    windows = [(item.maximum_number_operations_invoked, item.maximum_number_operations_performed) for item in found]
    assert windows == expected


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (identity(1, b"anna"), UserIdentity(1, b"anna")),
        (identity(2, b"anna", b"secret", 1), UserIdentity(2, b"anna", b"secret", True)),
        (identity(2, b"", b"secret"), UserIdentity(2, b"", b"secret")),
        (identity(3, b"ticket" * 100), UserIdentity(3, b"ticket" * 100)),
        (identity(5, b"a.b.c", wanted=1), UserIdentity(5, b"a.b.c", b"", True)),
    ],
)
def test_user_identities_are_read_and_hidden(offered: bytes, expected: UserIdentity) -> None:
    found = read_proposal(wire.variable(extra=offered)).user_identity
    assert found == expected
    assert "secret" not in repr(found)
    assert "anna" not in repr(found)


@pytest.mark.parametrize(
    ("offered", "response", "expected"),
    [
        (identity(2, b"anna", b"secret", 1), b"", [b""]),
        (identity(5, b"a.b.c", wanted=1), b"token", [b"token"]),
        (identity(5, b"a.b.c"), b"token", []),
        (b"", b"token", []),
    ],
)
def test_a_server_response_goes_out_when_it_was_asked_for(
    offered: bytes, response: bytes, expected: list[bytes]
) -> None:
    agreement = negotiate(wire.variable(extra=offered), server_response=response)
    assert [item.server_response for item in items(agreement, theirs.UserIdentityNegotiation)] == expected


def test_the_same_request_is_negotiated_once_and_secrets_are_not_kept() -> None:
    negotiator = Negotiator(CONFIG)
    first, second = negotiator.read(wire.variable()), negotiator.read(wire.variable())
    assert first is second
    assert negotiator.agree(first) is negotiator.agree(second)
    secret = wire.variable(extra=identity(2, b"anna", b"secret"))
    assert negotiator.read(secret) is not negotiator.read(secret)


def test_the_memory_of_requests_is_bounded() -> None:
    negotiator = Negotiator(CONFIG)
    first = negotiator.read(wire.variable(max_pdu=10_000))
    kept = negotiator.agree(first)
    for number in range(1100):
        negotiator.read(wire.variable(max_pdu=20_000 + number))
    assert negotiator.read(wire.variable(max_pdu=10_000)) is not first
    assert negotiator.agree(first).encoded == kept.encoded


uids = st.sampled_from([wire.WORKLIST, wire.MPPS, STORAGE, "1.2.3", "1.02.3", "9" * 64])
transfers = st.lists(st.sampled_from([*PREFERENCE, "1.2.840.10008.1.2.4.70", "1.2.9"]), min_size=1, max_size=4)
extras = st.lists(
    st.one_of(
        st.builds(role, uids, st.integers(0, 255), st.integers(0, 255)),
        st.builds(extended, uids, st.binary(max_size=6)),
        st.builds(identity, st.integers(0, 255), st.binary(max_size=9), st.binary(max_size=9), st.integers(0, 1)),
        st.builds(wire.item, st.integers(0, 255), st.binary(max_size=12)),
    ),
    max_size=4,
).map(b"".join)


@given(st.dictionaries(st.integers(0, 127).map(lambda n: 2 * n + 1), st.tuples(uids, transfers), max_size=6), extras)
def test_any_readable_proposal_gets_an_answer_that_pynetdicom_reads(
    asked: dict[int, tuple[str, list[str]]], extra: bytes
) -> None:
    body = wire.variable([(number, uid, offered) for number, (uid, offered) in asked.items()], extra=extra)
    try:
        agreement = negotiate(body)
    except PduError:
        return
    results = answer(agreement).presentation_context_definition_results_list
    assert {cx.context_id for cx in results} == set(asked)
    assert {cx.context_id for cx in results if cx.result == 0} == set(agreement.contexts)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_proposal_or_a_pdu_error(body: bytes) -> None:
    try:
        found = read_proposal(body)
    except PduError:
        return
    assert found.contexts


@given(st.data())
def test_damaged_proposals_are_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(wire.variable(extra=identity(2, b"a", b"b") + role(wire.MPPS, 1, 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    negotiator = Negotiator(CONFIG)
    try:
        proposal = negotiator.read(bytes(body))
    except PduError:
        return
    assert negotiator.agree(proposal).encoded
