"""The association state table of PS3.8 section 9.2 (Table 9-10), as far as an acceptor meets it.

Owns states, events, actions and the table that ties them together.  Knows no bytes, no timers and no sockets: what an
action does is the business of :mod:`.association`.
"""

from enum import StrEnum


class State(StrEnum):
    """Protocol machine states, PS3.8 Tables 9-1 to 9-5 (Sta4, Sta5, Sta9 and Sta11 belong to requestors only)."""

    IDLE = "Sta1"
    AWAITING_REQUEST = "Sta2"
    AWAITING_DECISION = "Sta3"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_REPLY = "Sta7"
    RELEASE_REQUESTED = "Sta8"
    COLLISION_AWAITING_REPLY = "Sta10"
    COLLISION_AWAITING_DECISION = "Sta12"
    AWAITING_CLOSE = "Sta13"


class Event(StrEnum):
    """What can happen, PS3.8 Table 9-10 (Evt1 and Evt2 belong to requestors only)."""

    ASSOCIATE_AC_PDU = "Evt3"
    ASSOCIATE_RJ_PDU = "Evt4"
    CONNECTED = "Evt5"
    ASSOCIATE_RQ_PDU = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    SEND_DATA = "Evt9"
    DATA_PDU = "Evt10"
    RELEASE = "Evt11"
    RELEASE_RQ_PDU = "Evt12"
    RELEASE_RP_PDU = "Evt13"
    RELEASE_RESPONSE = "Evt14"
    ABORT = "Evt15"
    ABORT_PDU = "Evt16"
    CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(StrEnum):
    """State machine actions, PS3.8 Tables 9-6 to 9-9."""

    AE_5 = "AE-5"
    AE_6 = "AE-6"
    AE_7 = "AE-7"
    AE_8 = "AE-8"
    DT_1 = "DT-1"
    DT_2 = "DT-2"
    AR_1 = "AR-1"
    AR_2 = "AR-2"
    AR_3 = "AR-3"
    AR_4 = "AR-4"
    AR_5 = "AR-5"
    AR_6 = "AR-6"
    AR_7 = "AR-7"
    AR_8 = "AR-8"
    AR_10 = "AR-10"
    AA_1 = "AA-1"
    AA_2 = "AA-2"
    AA_3 = "AA-3"
    AA_4 = "AA-4"
    AA_5 = "AA-5"
    AA_6 = "AA-6"
    AA_7 = "AA-7"
    AA_8 = "AA-8"


#: PS3.8 Table 9-10 without the requestor's rows and columns; "-" is a cell that the standard leaves empty.
_TABLE = """
         Sta1  Sta2  Sta3  Sta6  Sta7  Sta8  Sta10  Sta12  Sta13
Evt3     -     AA-1  AA-8  AA-8  AA-8  AA-8  AA-8   AA-8   AA-6
Evt4     -     AA-1  AA-8  AA-8  AA-8  AA-8  AA-8   AA-8   AA-6
Evt5     AE-5  -     -     -     -     -     -      -      -
Evt6     -     AE-6  AA-8  AA-8  AA-8  AA-8  AA-8   AA-8   AA-7
Evt7     -     -     AE-7  -     -     -     -      -      -
Evt8     -     -     AE-8  -     -     -     -      -      -
Evt9     -     -     -     DT-1  -     AR-7  -      -      -
Evt10    -     AA-1  AA-8  DT-2  AR-6  AA-8  AA-8   AA-8   AA-6
Evt11    -     -     -     AR-1  -     -     -      -      -
Evt12    -     AA-1  AA-8  AR-2  AR-8  AA-8  AA-8   AA-8   AA-6
Evt13    -     AA-1  AA-8  AA-8  AR-3  AA-8  AR-10  AA-8   AA-6
Evt14    -     -     -     -     -     AR-4  -      AR-4   -
Evt15    -     -     AA-1  AA-1  AA-1  AA-1  AA-1   AA-1   -
Evt16    -     AA-2  AA-3  AA-3  AA-3  AA-3  AA-3   AA-3   AA-2
Evt17    -     AA-5  AA-4  AA-4  AA-4  AA-4  AA-4   AA-4   AR-5
Evt18    -     AA-2  -     -     -     -     -      -      AA-2
Evt19    -     AA-1  AA-8  AA-8  AA-8  AA-8  AA-8   AA-8   AA-7
"""

#: The state after each action.  AE-6 is listed with its acceptable case (the other, a reject by the provider, ends in
#: Sta13); AR-8 with the acceptor's case.
NEXT_STATE: dict[Action, State] = {
    Action.AE_5: State.AWAITING_REQUEST,
    Action.AE_6: State.AWAITING_DECISION,
    Action.AE_7: State.ESTABLISHED,
    Action.AE_8: State.AWAITING_CLOSE,
    Action.DT_1: State.ESTABLISHED,
    Action.DT_2: State.ESTABLISHED,
    Action.AR_1: State.AWAITING_RELEASE_REPLY,
    Action.AR_2: State.RELEASE_REQUESTED,
    Action.AR_3: State.IDLE,
    Action.AR_4: State.AWAITING_CLOSE,
    Action.AR_5: State.IDLE,
    Action.AR_6: State.AWAITING_RELEASE_REPLY,
    Action.AR_7: State.RELEASE_REQUESTED,
    Action.AR_8: State.COLLISION_AWAITING_REPLY,
    Action.AR_10: State.COLLISION_AWAITING_DECISION,
    Action.AA_1: State.AWAITING_CLOSE,
    Action.AA_2: State.IDLE,
    Action.AA_3: State.IDLE,
    Action.AA_4: State.IDLE,
    Action.AA_5: State.IDLE,
    Action.AA_6: State.AWAITING_CLOSE,
    Action.AA_7: State.AWAITING_CLOSE,
    Action.AA_8: State.AWAITING_CLOSE,
}


def _read_table(table: str) -> dict[tuple[Event, State], Action]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    states = [State(name) for name in header]
    return {
        (Event(row[0]), state): Action(cell)
        for row in rows
        for state, cell in zip(states, row[1:], strict=True)
        if cell != "-"
    }


#: (event, state) -> action.  A missing pair cannot happen in a correct program (local events) or needs no action.
TRANSITIONS: dict[tuple[Event, State], Action] = _read_table(_TABLE)


class InvalidTransitionError(RuntimeError):
    """A local primitive was issued in a state where PS3.8 Table 9-10 has no action for it: a programming error."""

    def __init__(self, event: Event, state: State) -> None:
        super().__init__(f"{event.name} ({event}) is not possible in {state.name} ({state})")


def action_for(event: Event, state: State) -> Action:
    """The action of one cell of the table.

    :raises InvalidTransitionError: the cell is empty.
    """
    action = TRANSITIONS.get((event, state))
    if action is None:
        raise InvalidTransitionError(event, state)
    return action
