"""The state table against pynetdicom's transcription of PS3.8 Table 9-10, cell by cell."""

import pytest
from pynetdicom.fsm import ACTIONS, TRANSITION_TABLE

from broker.dicom.upper_layer.states import (
    NEXT_STATE,
    TRANSITIONS,
    Action,
    Event,
    InvalidTransitionError,
    State,
    action_for,
)

REQUESTOR_STATES = {"Sta4", "Sta5", "Sta9", "Sta11"}
CELLS = [(event, state) for event in Event for state in State]


def test_an_acceptor_has_every_state_and_event_but_the_requestors() -> None:
    assert {str(state) for state in State} == {f"Sta{n}" for n in range(1, 14)} - REQUESTOR_STATES
    assert {str(event) for event in Event} == {f"Evt{n}" for n in range(3, 20)}


@pytest.mark.parametrize(("event", "state"), CELLS)
def test_each_cell_is_the_standards(event: Event, state: State) -> None:
    expected = TRANSITION_TABLE.get((str(event), str(state)))
    found = TRANSITIONS.get((event, state))
    assert (str(found) if found is not None else None) == expected


@pytest.mark.parametrize(("event", "state"), CELLS)
def test_an_empty_cell_is_a_programming_error(event: Event, state: State) -> None:
    if (event, state) in TRANSITIONS:
        assert action_for(event, state) is TRANSITIONS[event, state]
    else:
        with pytest.raises(InvalidTransitionError, match=event.name):
            action_for(event, state)


@pytest.mark.parametrize("action", Action)
def test_each_action_leads_where_the_standard_says(action: Action) -> None:
    expected = ACTIONS[str(action)][2]
    assert str(NEXT_STATE[action]) in ((expected,) if isinstance(expected, str) else expected)


def test_every_action_is_used_and_every_state_can_be_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) == set(Action)
    assert set(NEXT_STATE.values()) == set(State)
    assert {state for _, state in TRANSITIONS} == set(State)
