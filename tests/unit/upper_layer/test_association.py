"""The association machine: every cell of the table at work, conversations in any pieces, and whatever peers send."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.fsm import TRANSITION_TABLE

from broker.dicom.upper_layer import outputs as out
from broker.dicom.upper_layer import pdus
from broker.dicom.upper_layer.assembler import Message
from broker.dicom.upper_layer.association import AssociationMachine
from broker.dicom.upper_layer.config import AcceptorConfig
from broker.dicom.upper_layer.negotiation import Negotiator
from broker.dicom.upper_layer.pdus import AbortReason, AbortSource
from broker.dicom.upper_layer.policy import LOCAL_LIMIT_EXCEEDED, Admission
from broker.dicom.upper_layer.states import Event, InvalidTransitionError, State
from tests.unit.upper_layer import wire

NEGOTIATOR = Negotiator(AcceptorConfig())
AGREEMENT = NEGOTIATOR.agree(NEGOTIATOR.read(wire.variable()))
ANSWER = pdus.data_pdus(1, True, b"answer", 16384)
ASSOCIATE_AC = wire.pdu(2, wire.associate_rq()[6:])
ASSOCIATE_RJ = bytes.fromhex("03000000000400010101")
JUNK = b"GET / HTTP/1.1\r\n"

Machine = AssociationMachine
Step = Callable[[Machine], list[out.Output]]


def new_machine(max_dataset: int = 10_000) -> Machine:
    return AssociationMachine(NEGOTIATOR.read, 16384, max_dataset)


PATHS: dict[State, list[Step]] = {
    State.IDLE: [],
    State.AWAITING_REQUEST: [Machine.connected],
    State.AWAITING_DECISION: [Machine.connected, lambda machine: machine.feed(wire.associate_rq())],
}
PATHS[State.ESTABLISHED] = [*PATHS[State.AWAITING_DECISION], lambda machine: machine.accept(AGREEMENT)]
PATHS[State.AWAITING_RELEASE_REPLY] = [*PATHS[State.ESTABLISHED], Machine.release]
PATHS[State.RELEASE_REQUESTED] = [*PATHS[State.ESTABLISHED], lambda machine: machine.feed(wire.RELEASE_RQ)]
PATHS[State.COLLISION_AWAITING_REPLY] = [
    *PATHS[State.AWAITING_RELEASE_REPLY],
    lambda machine: machine.feed(wire.RELEASE_RQ),
]
PATHS[State.COLLISION_AWAITING_DECISION] = [
    *PATHS[State.COLLISION_AWAITING_REPLY],
    lambda machine: machine.feed(wire.RELEASE_RP),
]
PATHS[State.AWAITING_CLOSE] = [*PATHS[State.ESTABLISHED], lambda machine: machine.abort("test")]

STIMULI: dict[Event, Step] = {
    Event.ASSOCIATE_AC_PDU: lambda machine: machine.feed(ASSOCIATE_AC),
    Event.ASSOCIATE_RJ_PDU: lambda machine: machine.feed(ASSOCIATE_RJ),
    Event.CONNECTED: Machine.connected,
    Event.ASSOCIATE_RQ_PDU: lambda machine: machine.feed(wire.associate_rq()),
    Event.ACCEPT: lambda machine: machine.accept(AGREEMENT),
    Event.REJECT: lambda machine: machine.reject(LOCAL_LIMIT_EXCEEDED),
    Event.SEND_DATA: lambda machine: machine.send_data(ANSWER),
    Event.DATA_PDU: lambda machine: machine.feed(wire.echo()),
    Event.RELEASE: Machine.release,
    Event.RELEASE_RQ_PDU: lambda machine: machine.feed(wire.RELEASE_RQ),
    Event.RELEASE_RP_PDU: lambda machine: machine.feed(wire.RELEASE_RP),
    Event.RELEASE_RESPONSE: Machine.respond_release,
    Event.ABORT: lambda machine: machine.abort("local"),
    Event.ABORT_PDU: lambda machine: machine.feed(wire.ABORT),
    Event.CLOSED: Machine.closed,
    Event.ARTIM_EXPIRED: Machine.artim_expired,
    Event.INVALID_PDU: lambda machine: machine.feed(JUNK),
}
FROM_PEER = {event for event, _ in STIMULI.items() if event.name.endswith("_PDU")}

UNEXPECTED = out.Send(pdus.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU))
UNRECOGNIZED = out.Send(pdus.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNRECOGNIZED_PDU))
USER_ABORT = out.Send(pdus.abort(AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED))
ARTIM, NO_ARTIM, CLOSE = out.StartArtim(), out.StopArtim(), out.CloseTransport()

#: action -> (next state, the outputs but for indications), PS3.8 Tables 9-6 to 9-9 read by hand
EXPECTED: dict[str, tuple[str, list[out.Output]]] = {
    "AE-5": ("Sta2", [ARTIM]),
    "AE-6": ("Sta3", [NO_ARTIM]),
    "AE-7": ("Sta6", [out.Send(pdus.accept(wire.associate_rq()[6:], AGREEMENT.encoded))]),
    "AE-8": ("Sta13", [out.Send(bytes.fromhex("03000000000400020302")), ARTIM]),
    "DT-1": ("Sta6", [out.Send(ANSWER)]),
    "DT-2": ("Sta6", []),
    "AR-1": ("Sta7", [out.Send(wire.RELEASE_RQ)]),
    "AR-2": ("Sta8", []),
    "AR-3": ("Sta1", [CLOSE]),
    "AR-4": ("Sta13", [out.Send(wire.RELEASE_RP), ARTIM]),
    "AR-5": ("Sta1", [NO_ARTIM]),
    "AR-6": ("Sta7", []),
    "AR-7": ("Sta8", [out.Send(ANSWER)]),
    "AR-8": ("Sta10", []),
    "AR-10": ("Sta12", []),
    "AA-1": ("Sta13", [USER_ABORT, ARTIM]),
    "AA-2": ("Sta1", [NO_ARTIM, CLOSE]),
    "AA-3": ("Sta1", [CLOSE]),
    "AA-4": ("Sta1", []),
    "AA-5": ("Sta1", [NO_ARTIM]),
    "AA-6": ("Sta13", []),
    "AA-7": ("Sta13", [UNEXPECTED]),
    "AA-8": ("Sta13", [UNEXPECTED, ARTIM]),
}
INDICATIONS: dict[str, list[type]] = {
    "AE-6": [out.AssociateIndication],
    "DT-2": [out.MessageIndication],
    "AR-6": [out.MessageIndication],
    "AR-2": [out.ReleaseIndication],
    "AR-8": [out.ReleaseIndication],
    "AR-3": [out.ReleaseConfirmation],
    "AR-10": [out.ReleaseConfirmation],
    "AA-1": [out.AbortIndication],
    "AA-3": [out.AbortIndication],
    "AA-4": [out.AbortIndication],
    "AA-8": [out.AbortIndication],
}
EFFECTS = (out.Send, out.StartArtim, out.StopArtim, out.CloseTransport)


def in_state(state: State) -> Machine:
    machine = new_machine()
    for step in PATHS[state]:
        step(machine)
    assert machine.state is state
    return machine


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_each_cell_does_what_the_standard_says(event: Event, state: State) -> None:
    machine = in_state(state)
    action = TRANSITION_TABLE.get((str(event), str(state)))
    if action is None:
        if event in FROM_PEER or (event, state) == (Event.CLOSED, State.IDLE):
            assert (STIMULI[event](machine), machine.state) == ([], state)
        else:
            with pytest.raises(InvalidTransitionError):
                STIMULI[event](machine)
        return
    found = STIMULI[event](machine)
    next_state, effects = EXPECTED[action]
    if event is Event.INVALID_PDU:
        effects = [UNRECOGNIZED if effect is UNEXPECTED else effect for effect in effects]
    assert str(machine.state) == next_state
    assert [output for output in found if isinstance(output, EFFECTS)] == effects
    indications = [type(output) for output in found if not isinstance(output, EFFECTS)]
    expected = INDICATIONS.get(action, [])
    if (event, state) == (Event.ARTIM_EXPIRED, State.AWAITING_REQUEST):
        expected = [out.AbortIndication]
    assert indications == expected


def test_the_expectations_cover_every_action_of_an_acceptor() -> None:
    states, events = {str(state) for state in State}, {str(event) for event in Event}
    actions = {action for (event, state), action in TRANSITION_TABLE.items() if event in events and state in states}
    assert set(EXPECTED) == actions


@pytest.mark.parametrize(
    ("request_pdu", "admission"),
    [
        (wire.associate_rq(version=2), Admission.reject(1, 2, 2)),
        (wire.associate_rq(wire.variable(application_context="1.2.3")), Admission.reject(1, 1, 2)),
        (wire.associate_rq(wire.variable(application_context="1.2.3"), version=4), Admission.reject(1, 2, 2)),
    ],
)
def test_what_no_policy_could_accept_is_rejected_by_the_provider(request_pdu: bytes, admission: Admission) -> None:
    machine = in_state(State.AWAITING_REQUEST)
    found = machine.feed(request_pdu)
    rejection = bytes([3, 0, 0, 0, 0, 4, 0, admission.result, admission.source, admission.reason])
    assert found[:3] == [NO_ARTIM, out.Send(rejection), ARTIM]
    assert [type(output) for output in found[3:]] == [out.ProviderRejection]
    assert machine.state is State.AWAITING_CLOSE


@pytest.mark.parametrize("version", [1, 3, 0xFFFF])
def test_other_bits_of_the_protocol_version_are_not_tested(version: int) -> None:
    machine = in_state(State.AWAITING_REQUEST)
    machine.feed(wire.associate_rq(version=version))
    assert machine.state is State.AWAITING_DECISION


def test_the_answer_repeats_the_requests_fixed_part() -> None:
    """PS3.8 Table 9-17: bytes 11 to 74 are sent as they were received."""
    machine = in_state(State.AWAITING_REQUEST)
    request = bytearray(wire.associate_rq(called=b" BROKER", calling=b"\xffCT"))
    request[42:74] = bytes(range(32))
    machine.feed(bytes(request))
    sent = machine.accept(AGREEMENT)
    assert isinstance(sent[0], out.Send)
    assert sent[0].data[:6] == bytes([2, 0]) + (len(sent[0].data) - 6).to_bytes(4, "big")
    assert sent[0].data[10:74] == request[10:74]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (wire.p_data(1, 3, b"junk"), AbortReason.INVALID_PARAMETER_VALUE),
        (wire.p_data(9, 3, wire.echo()[12:]), AbortReason.INVALID_PARAMETER_VALUE),
        (wire.p_data(3, 2, b"data first"), AbortReason.UNEXPECTED_PARAMETER),
        (wire.pdu(4, b"\0\0\0\x01\x01\x03"), AbortReason.INVALID_PARAMETER_VALUE),
        (wire.find(dataset=bytes(10_001)), AbortReason.NOT_SPECIFIED),
        (bytes.fromhex("0400ffffffff"), AbortReason.INVALID_PARAMETER_VALUE),
        (b"\x42", AbortReason.UNRECOGNIZED_PDU),
        (ASSOCIATE_AC, AbortReason.UNEXPECTED_PDU),
    ],
)
def test_offences_are_answered_with_their_reason(data: bytes, reason: AbortReason) -> None:
    machine = in_state(State.ESTABLISHED)
    found = machine.feed(data)
    assert out.Send(pdus.abort(AbortSource.SERVICE_PROVIDER, reason)) in found
    assert machine.state is State.AWAITING_CLOSE
    assert machine.feed(wire.echo()) == []


def test_a_peers_abort_is_passed_on_with_its_codes() -> None:
    machine = in_state(State.ESTABLISHED)
    found = machine.feed(bytes.fromhex("07000000000400000205") + wire.echo())
    assert found == [CLOSE, out.AbortIndication(True, 2, 5, "the peer aborted")]


def test_after_lost_framing_nothing_is_read_any_more() -> None:
    machine = in_state(State.AWAITING_REQUEST)
    machine.feed(JUNK)
    assert machine.feed(wire.associate_rq() * 3 + wire.ABORT) == []
    assert machine.artim_expired() == [NO_ARTIM, CLOSE]


CONVERSATION = wire.echo(1) + wire.find(2) + wire.cancel(2) + wire.create(3) + wire.RELEASE_RQ


def converse(parts: list[bytes]) -> tuple[list[out.Output], State]:
    machine = in_state(State.ESTABLISHED)
    return [output for part in parts for output in machine.feed(part)], machine.state


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 100, len(CONVERSATION)])
def test_a_conversation_reads_the_same_in_any_pieces(size: int) -> None:
    parts = [CONVERSATION[start : start + size] for start in range(0, len(CONVERSATION), size)]
    found, state = converse(parts)
    messages = [output.message for output in found if isinstance(output, out.MessageIndication)]
    assert [message.command.message_id for message in messages if isinstance(message, Message)] == [1, 2, 2, 3]
    assert state is State.RELEASE_REQUESTED
    assert converse([CONVERSATION]) == (found, state)


@pytest.mark.parametrize("cut", range(1, len(CONVERSATION) - 1, 13))
def test_a_conversation_cut_short_ends_with_the_connection(cut: int) -> None:
    machine = in_state(State.ESTABLISHED)
    machine.feed(CONVERSATION[:cut])
    assert [type(output) for output in machine.closed()] == [out.AbortIndication]
    assert machine.state is State.IDLE
    assert machine.feed(CONVERSATION[cut:]) == []


@pytest.mark.parametrize("size", [1, 30, 1000])
def test_a_request_reads_the_same_in_any_pieces(size: int) -> None:
    machine = in_state(State.AWAITING_REQUEST)
    request = wire.associate_rq()
    found = [output for start in range(0, len(request), size) for output in machine.feed(request[start : start + size])]
    assert [type(output) for output in found] == [out.StopArtim, out.AssociateIndication]
    indication = found[1]
    assert isinstance(indication, out.AssociateIndication)
    assert (indication.called_ae_title, indication.calling_ae_title) == ("BROKER", "CT1")


def test_partial_tells_a_begun_pdu_or_message() -> None:
    machine = in_state(State.ESTABLISHED)
    request = wire.find()
    head = request.index(b"\x04", 1)
    seen = []
    for part in (request[:3], request[3:head], request[head:-1], request[-1:]):
        machine.feed(part)
        seen.append(machine.partial)
    assert seen == [True, True, True, False]


#: States from which a peer can be heard.
LIVE = [state for state in State if state is not State.IDLE]
pdu_soup = st.lists(
    st.one_of(
        st.sampled_from(
            [wire.associate_rq(), ASSOCIATE_AC, ASSOCIATE_RJ, wire.echo(), wire.find(), wire.cancel(), wire.create()]
        ),
        st.sampled_from([wire.RELEASE_RQ, wire.RELEASE_RP, wire.ABORT, wire.find()[:-3], wire.echo()[:9]]),
        st.builds(wire.pdu, st.integers(0, 8), st.binary(max_size=90)),
        st.builds(wire.p_data, st.integers(0, 9), st.integers(0, 255), st.binary(max_size=60)),
        st.binary(max_size=40),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=400)
@given(st.sampled_from(LIVE), pdu_soup, st.integers(1, 50))
def test_whatever_a_peer_sends_nothing_is_raised_and_every_end_is_told_once(
    state: State, data: bytes, size: int
) -> None:
    machine = in_state(state)
    found = [output for start in range(0, len(data), size) for output in machine.feed(data[start : start + size])]
    was_over = state in (State.AWAITING_REQUEST, State.AWAITING_CLOSE)
    found += machine.closed()
    assert machine.state is State.IDLE
    aborts = sum(isinstance(output, out.AbortIndication) for output in found)
    rejected = any(isinstance(output, out.ProviderRejection) for output in found)
    confirmed = state is State.AWAITING_RELEASE_REPLY and any(isinstance(o, out.ReleaseConfirmation) for o in found)
    assert aborts <= 1
    assert aborts == 1 or was_over or rejected or confirmed
    assert sum(isinstance(output, out.CloseTransport) for output in found) <= 1


@settings(max_examples=200)
@given(st.sampled_from(LIVE), st.binary(max_size=200))
def test_arbitrary_bytes_end_in_an_abort_or_in_waiting(state: State, data: bytes) -> None:
    machine = in_state(state)
    found = machine.feed(data)
    sent = [output.data for output in found if isinstance(output, out.Send)]
    assert all(data[0] in (3, 7) for data in sent)
    assert machine.state in (State.IDLE, State.AWAITING_CLOSE) or not sent


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@given(st.data())
def test_a_damaged_request_is_decided_or_aborted(data: st.DataObject) -> None:
    request = bytearray(wire.associate_rq())
    for _ in range(data.draw(st.integers(1, 3))):
        request[data.draw(st.integers(0, len(request) - 1))] = data.draw(st.integers(0, 255))
    machine = in_state(State.AWAITING_REQUEST)
    found = machine.feed(bytes(request))
    if machine.state is State.AWAITING_DECISION:
        assert isinstance(found[-1], out.AssociateIndication)
    else:
        assert machine.state in (State.AWAITING_CLOSE, State.AWAITING_REQUEST, State.IDLE)
