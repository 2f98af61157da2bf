"""Corrections by staff: what counts of an exam in place of what its device said (``domain.correcting``).

A correction is kept with the person, recorded in the history, and told as a correction; withdrawing it is another one.
"""

from broker.domain.correcting import Correction, check
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind
from broker.services import performed_effects as effects
from broker.services.context import Context
from broker.services.late_orders import exam_of
from broker.store import corrections
from broker.store import performed as store
from broker.store.corrections import CorrectionRow
from broker.store.database import Connection

__all__ = ["Correction", "CorrectionRow", "correct", "made", "withdraw"]


def correct(context: Context, actor: Actor, performed_key: int, correction: Correction) -> None:
    """Let ``correction`` count; one that stands already is replaced.

    On an exam in progress it is provisional: the device's own final word ends it.  Raises Refusal.
    """

    def work(connection: Connection) -> None:
        exam = _load(connection, performed_key)
        check(correction, started_at=exam.summary.started_at)
        at = context.clock()
        if exam.corrected_status is not None:
            corrections.withdraw(connection, performed_key, actor.name, at)
        provisional = not exam.status.final
        corrections.add(connection, performed_key, correction, actor.name, at, provisional=provisional)
        store.set_corrected(connection, performed_key, correction.status, correction.reason_code)
        scene = effects.Scene(connection, context, actor, at)
        _settle(scene, performed_key, FactKind.PERFORMED_CORRECTED, correction)

    context.database.write(work)


def withdraw(context: Context, actor: Actor, performed_key: int) -> None:
    """What the device said counts again.  Raises Refusal when no correction stands."""

    def work(connection: Connection) -> None:
        exam = _load(connection, performed_key)
        if exam.corrected_status is None:
            raise Refusal(Reason.WRONG_STATE, "no correction of this exam stands", where="exam")
        at = context.clock()
        corrections.withdraw(connection, performed_key, actor.name, at)
        store.set_corrected(connection, performed_key, None, "")
        _settle(effects.Scene(connection, context, actor, at), performed_key, FactKind.CORRECTION_WITHDRAWN)

    context.database.write(work)


def made(context: Context, performed_key: int) -> list[CorrectionRow]:
    """Every correction of an exam, oldest first."""
    return context.database.read(lambda c: corrections.of_exam(c, performed_key))


def _load(connection: Connection, performed_key: int) -> store.Performed:
    exam = store.load(connection, performed_key, lock=True)
    if exam is None:
        raise Refusal(Reason.UNKNOWN_KEY, "there is no such exam", where="exam")
    return exam


def _settle(scene: effects.Scene, performed_key: int, kind: FactKind, correction: Correction | None = None) -> None:
    exam = exam_of(_load(scene.connection, performed_key))
    data: dict[str, object] = {"performed": exam.sop_instance_uid, "counts": exam.status.value}
    if correction is not None:
        data |= {
            "note": correction.note, "reason": correction.reason_code, "start": correction.started_at,
            "end": correction.ended_at,
        }  # fmt: skip
    linked = store.linked_steps(scene.connection, performed_key)
    told = [Fact(kind, {k: v for k, v in data.items() if v})]
    effects.settle(scene, exam, linked, effects.Deed.CORRECTED, told)
