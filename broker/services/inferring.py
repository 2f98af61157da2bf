"""What people and rules say about a step that no device reports: arrived, started, done, discontinued; and undoing it.

Each is one transaction: what was said, the step, its worklist item, history and notifications.  The rules are in
``domain.inferring``; messages come by ``inference_notes``, exams of devices by ``performed_effects``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.domain.errors import Reason, Refusal
from broker.domain.inferring import (
    Inference,
    Saying,
    Situation,
    after_withdrawing,
    check,
    implied,
    newest_performing,
)
from broker.domain.model import Actor, Fact, FactKind, Order, Procedure, Step
from broker.domain.performing import order_fact
from broker.domain.performing_reasons import MEANINGS, consequence
from broker.domain.states import WAITING, StepStatus, order_status
from broker.services import items
from broker.services.context import Context
from broker.services.history import About, record
from broker.services.performed_effects import reason_from_key, returns
from broker.store import inferences, orders, stuck
from broker.store import performed as store
from broker.store.database import Connection

__all__ = ["Inference", "Said", "Saying", "say", "standing", "undo"]


@dataclass(frozen=True, slots=True)
class Said:
    """What became of the step."""

    step_key: int
    request_key: int
    status: StepStatus


@dataclass(frozen=True, slots=True)
class _Scene:
    """One step of one order, loaded and locked, with its exams and what stands about it."""

    connection: Connection
    context: Context
    actor: Actor
    at: datetime
    order: Order
    procedure: Procedure
    step: Step
    exams: tuple[store.StepState, ...]
    standing: tuple[Inference, ...]

    def situation(self, code: str = "") -> Situation:
        """The step as the rules see it; ``code`` is the reason to discontinue that is about to be given."""
        exams = tuple((e.status, returns(self.context, e.discontinuation_code)) for e in self.exams)
        spoken_for = newest_performing(self.standing) is not None
        return Situation(self.step.status, self.step.resting, exams, returns(self.context, code), spoken_for)


def say(context: Context, actor: Actor, step_key: int, saying: Saying, *, although_running: bool = False) -> Said:
    """Let ``saying`` count for the step until it is undone or a device reports otherwise.

    ``although_running``: also when a device reports an exam of the step and has not ended it; where the step is stuck,
    that is known.  Raises Refusal; its ``where`` is ``domain.inferring.RUNNING`` when only that stands in the way.
    """
    code = saying.reason_code.strip()
    whole = Saying(saying.status, code, saying.reason_meaning or MEANINGS.get(code, ""), saying.note.strip())
    return context.database.write(
        lambda c: _say(_scene(c, context, actor, step_key), whole, although_running=although_running)
    )


def _say(scene: _Scene, saying: Saying, *, although_running: bool) -> Said:
    situation = scene.situation(saying.reason_code)
    knowing = although_running or (situation.running and stuck.find(scene.connection, _key(scene.step)) is not None)
    check(saying, situation, although_running=knowing)
    inferences.add(scene.connection, _key(scene.step), saying, scene.step.status, scene.actor, scene.at)
    standing_now = inferences.standing(scene.connection, _key(scene.step))
    counts = newest_performing(standing_now)
    after = implied(situation, standing_now[-1], counts=counts, returns=situation.returns)
    told: dict[str, object] = {"inferred": True, **_reason(scene.context, saying), **_times(scene, saying)}
    if saying.note:
        told["note"] = saying.note
    return _move(scene, after, told)


def undo(context: Context, actor: Actor, step_key: int) -> Said:
    """Take back the newest thing that was said about the step: it is again what it was, and others are told.

    Raises Refusal: nothing stands, a device reported the exam since, or the step has moved on by a message.
    """

    def work(connection: Connection) -> Said:
        scene = _scene(connection, context, actor, step_key)
        newest = _undoable(scene)
        older = newest_performing(scene.standing[:-1])
        code = older.saying.reason_code if older else ""
        after = after_withdrawing(scene.situation(), newest, older, returns=returns(context, code))
        inferences.withdraw(connection, newest, actor.name, scene.at)
        return _take_back(scene, newest, after)

    return context.database.write(work)


def standing(context: Context, step_keys: Sequence[int]) -> dict[int, list[Inference]]:
    """What stands about these steps, oldest first, by the key of the step."""
    return context.database.read(lambda c: inferences.of_steps(c, step_keys))


def _undoable(scene: _Scene) -> Inference:
    if not scene.standing:
        raise Refusal(Reason.WRONG_STATE, "nothing that was said about this step stands", where="step")
    newest = scene.standing[-1]
    if newest.overruled:
        raise Refusal(
            Reason.WRONG_STATE, "a device reported the exam since, and its word counts: correct the exam instead",
            where="step",
        )  # fmt: skip
    counts = newest_performing(scene.standing)
    code = counts.saying.reason_code if counts else ""
    now = implied(scene.situation(), newest, counts=counts, returns=returns(scene.context, code))
    if scene.step.status in (StepStatus.CANCELED, StepStatus.HELD) or now is not scene.step.status:
        raise Refusal(Reason.WRONG_STATE, f"the step has moved on since and is {scene.step.status.value}", where="step")
    return newest


def _take_back(scene: _Scene, newest: Inference, after: StepStatus) -> Said:
    before = order_status(s.status for s in scene.order.steps)
    data: dict[str, object] = {"was": newest.saying.status.value, "said_by": newest.actor.name}
    facts = [_about(scene, FactKind.INFERENCE_WITHDRAWN, data)]
    resting = after if after in WAITING else scene.step.resting
    moved = _write(scene, after, resting)
    if moved:
        facts.append(_about(scene, FactKind.STEP_STATUS, _change(scene.step, after)))
    now = order_status(after if s.key == scene.step.key else s.status for s in scene.order.steps)
    if now is not before:
        facts.append(Fact(FactKind.ORDER_CORRECTED, {"status": now.value}))
    return _tell(scene, after, facts)


def _move(scene: _Scene, after: StepStatus, told: dict[str, object]) -> Said:
    before = order_status(s.status for s in scene.order.steps)
    resting = next((s for s in (after, scene.step.status) if s in WAITING), scene.step.resting)
    _write(scene, after, resting)
    facts = [_about(scene, FactKind.STEP_STATUS, {**_change(scene.step, after), **told})]
    now = order_status(after if s.key == scene.step.key else s.status for s in scene.order.steps)
    kind = order_fact(before, now)
    if kind is not None:
        facts.append(Fact(kind, told))
    return _tell(scene, after, facts)


def _write(scene: _Scene, after: StepStatus, resting: StepStatus) -> bool:
    """True when the step moved."""
    if (after, resting) == (scene.step.status, scene.step.resting):
        return False
    orders.set_step_status(scene.connection, scene.step, after, resting, scene.at)
    return after is not scene.step.status


def _tell(scene: _Scene, after: StepStatus, facts: Sequence[Fact]) -> Said:
    order = scene.order
    if order.key is None:
        raise RuntimeError("a stored order has a key")
    stored = orders.load(scene.connection, order.key)
    subjects = items.restate(scene.connection, scene.context, stored)
    steps = {(scene.procedure.study_instance_uid, scene.step.scheduled_procedure_step_id): _key(scene.step)}
    running = next((e.performed_key for e in scene.exams if not e.status.final), None)
    about = About(order.patient_key, order.key, running, steps=steps)
    record(scene.connection, scene.context, scene.actor, about, facts, scene.at, subjects)
    return Said(_key(scene.step), order.key, after)


def _about(scene: _Scene, kind: FactKind, data: dict[str, object]) -> Fact:
    return Fact(kind, data, scene.procedure.study_instance_uid, scene.step.scheduled_procedure_step_id)


def _change(step: Step, after: StepStatus) -> dict[str, object]:
    return {"from": step.status.value, "to": after.value}


def _reason(context: Context, saying: Saying) -> dict[str, object]:
    """The reason in the words of notifications, as for a device's (``performed_effects``)."""
    if saying.status is not StepStatus.DISCONTINUED:
        return {}
    reason = reason_from_key(saying.reason_code, saying.reason_meaning)
    means = consequence(saying.reason_code, context.site.performed.reasons)
    return {
        "discontinuation": {"code": reason.code, "scheme": reason.scheme, "meaning": reason.meaning},
        "consequence": means.value,
    }


def _times(scene: _Scene, saying: Saying) -> dict[str, object]:
    """When it was said that the exam began and ended, as a device would tell it: local time, YYYYMMDDHHMMSS."""
    begun = (i for i in reversed(scene.standing) if i.saying.status is StepStatus.STARTED and not i.overruled)
    started = next((one.said_at for one in begun), None)
    if saying.status is StepStatus.STARTED:
        started = scene.at
    moments = {"started_at": started, "ended_at": scene.at if saying.status in _ENDS else None}
    zone = scene.context.site.zone
    return {name: f"{at.astimezone(zone):%Y%m%d%H%M%S}" for name, at in moments.items() if at is not None}


_ENDS = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})


def _scene(connection: Connection, context: Context, actor: Actor, step_key: int) -> _Scene:
    request_key = orders.request_of_step(connection, step_key)
    if request_key is None:
        raise Refusal(Reason.UNKNOWN_KEY, "there is no such step", where="step")
    store.lock_orders(connection, [request_key])
    order = orders.load(connection, request_key)
    procedure, step = next((p, s) for p in order.procedures for s in p.steps if s.key == step_key)
    exams = tuple(store.states_of_steps(connection, [step_key]))
    said = tuple(inferences.standing(connection, step_key))
    return _Scene(connection, context, actor, context.clock(), order, procedure, step, exams, said)


def _key(step: Step) -> int:
    if step.key is None:
        raise RuntimeError("a stored step has a key")
    return step.key
