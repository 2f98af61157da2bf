"""What people do with a step, from pages and programs alike: the words of the addresses, the use case behind each."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import Path

from broker.domain.model import Actor, Source
from broker.domain.states import StepStatus
from broker.services import inferring, stuck
from broker.services.inferring import Said, Saying
from broker.services.people import SignedIn
from broker.web.parts import Parts

StepKey = Annotated[int, Path(ge=0, lt=2**63)]


class Act(StrEnum):
    """The last part of the address."""

    ARRIVE = "arrive"
    START = "start"
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"
    UNDO = "undo"
    STILL_RUNNING = "still-running"


_SAID: Mapping[Act, StepStatus] = {
    Act.ARRIVE: StepStatus.ARRIVED, Act.START: StepStatus.STARTED, Act.COMPLETE: StepStatus.COMPLETED,
    Act.DISCONTINUE: StepStatus.DISCONTINUED,
}  # fmt: skip
#: the act that says a status
OF_STATUS: Mapping[StepStatus, Act] = {status: act for act, status in _SAID.items()}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which step, and what the form or the request gives beside."""

    step_key: int
    reason: str = ""
    note: str = ""
    although_running: bool = False


def do(parts: Parts, who: SignedIn, act: Act, wish: Wish) -> Said | None:
    """Do it; answers what became of the step, None when it stays as it is.  Raises Refusal."""
    actor = Actor(Source.PERSON, who.user_name)
    if act is Act.STILL_RUNNING:
        stuck.postpone(parts.context, actor, wish.step_key)
        return None
    if act is Act.UNDO:
        return inferring.undo(parts.context, actor, wish.step_key)
    saying = Saying(_SAID[act], wish.reason if act is Act.DISCONTINUE else "", note=wish.note)
    return inferring.say(parts.context, actor, wish.step_key, saying, although_running=wish.although_running)
