"""Messages that say what became of a step are kept as inferences too, so that they can be taken back.

Runs inside the transaction that applies the message; the rules have moved the step already.
"""

from collections.abc import Iterable
from datetime import datetime

from broker.domain.inferring import Saying
from broker.domain.model import Actor, Fact, FactKind, Order
from broker.domain.states import StepStatus
from broker.store import inferences
from broker.store.database import Connection


def note_inferences(
    connection: Connection, actor: Actor, order: Order, facts: Iterable[Fact], note: str, at: datetime
) -> None:
    """Keep every change of a step that ``facts`` call inferred.  ``order`` is as stored: its steps have keys."""
    for fact in facts:
        if fact.kind is FactKind.STEP_STATUS and fact.data.get("inferred"):
            saying = Saying(StepStatus(str(fact.data["to"])), note=note)
            before = StepStatus(str(fact.data["from"]))
            inferences.add(connection, _step_key(order, fact), saying, before, actor, at)


def _step_key(order: Order, fact: Fact) -> int:
    for procedure in order.procedures:
        for step in procedure.steps:
            same = (procedure.study_instance_uid, step.scheduled_procedure_step_id) == (
                fact.study_instance_uid, fact.step_id,
            )  # fmt: skip
            if same and step.key is not None:
                return step.key
    raise RuntimeError("a fact about a step is about one that is stored")
