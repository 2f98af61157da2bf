"""Exams whose device reported no end, concluded by their images: a rule for sites that want it, off by default.

An archive that tells of images says nothing about their completeness (PS3.4 R.1.1), so the rule waits until archive and
device are silent, concludes only what can mean one step, and says so as an inference: marked, told as such, overruled
by the device, and taken back by people for good (``services.inferring``).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain import availability
from broker.domain.errors import Refusal
from broker.domain.inferring import Saying
from broker.domain.model import Actor, Order, Procedure, Source, Step
from broker.domain.states import WAITING, StepStatus
from broker.services import inferring
from broker.services.context import Context
from broker.store import availability as store
from broker.store import inferences, orders
from broker.store import performed as performed_store
from broker.store.availability import NoticeRow
from broker.store.database import Connection

_log = logging.getLogger(__name__)
_RULE = Actor(Source.RULE, "availability of images")
#: after an outage, notices older than this conclude nothing any more
_WEIGHED_WITHIN = timedelta(days=7)
_AT_ONCE = 100
_SILENT = WAITING | {StepStatus.STARTED}


@dataclass(frozen=True, slots=True)
class _Finding:
    """What one notice means: the steps to conclude; ``settled`` False: not silent yet, look again later."""

    steps: tuple[int, ...] = ()
    settled: bool = True


_NOTHING, _LATER = _Finding(), _Finding(settled=False)


def look(context: Context) -> int:
    """Conclude what the images of silent exams allow; answers how many steps.

    Several processes may look at once: a step is concluded by the first, and only once.
    """
    delay = context.site.performed.conclude_by_images
    if delay is None:
        return 0
    now = context.clock()
    rows = context.database.read(lambda c: store.unweighed(c, now - _WEIGHED_WITHIN, now - delay, _AT_ONCE))
    return sum(_weigh(context, row, now - delay, now) for row in rows)


def _weigh(context: Context, row: NoticeRow, silent_since: datetime, now: datetime) -> int:
    found = context.database.read(lambda c: _judge(c, row, silent_since))
    concluded = sum(_conclude(context, row, step_key) for step_key in found.steps)
    if found.settled:
        context.database.write(lambda c: store.weigh(c, row.key, now))
    return concluded


def _conclude(context: Context, row: NoticeRow, step_key: int) -> bool:
    note = f"images are available at {', '.join(row.notice.retrieve_ae_titles)}"
    try:
        inferring.say(context, _RULE, step_key, Saying(StepStatus.COMPLETED, note=note), although_running=True)
    except Refusal as refusal:  # somebody was quicker, or its order is on hold
        _log.info("step %d was not concluded by its images: %s", step_key, refusal.text)
        return False
    return True


def _judge(connection: Connection, row: NoticeRow, silent_since: datetime) -> _Finding:
    notice = row.notice
    told = store.about(connection, [notice.study_instance_uid], [row.performed_key] if row.performed_key else [])
    if any(one.key > row.key and one.performed_key == row.performed_key for one in told):
        return _NOTHING  # the newest word decides
    exam = performed_store.load(connection, row.performed_key) if row.performed_key is not None else None
    if exam is not None and exam.counting_status.final:
        return _NOTHING
    steps = _of_exam(connection, exam.key) if exam is not None else _of_study(connection, notice.study_instance_uid)
    exams = [exam] if exam is not None else _exams(connection, steps)
    if any(performed_store.last_message(connection, one.key).received_at > silent_since for one in exams):
        return _LATER
    covered = availability.coverage([one.notice for one in told], [one.dataset for one in exams])
    return _Finding(tuple(_open(connection, steps))) if covered.complete else _NOTHING


def _of_exam(connection: Connection, performed_key: int) -> list[Step]:
    """The steps of an exam that runs, all of them."""
    found = []
    for request_key, step_keys in performed_store.linked_steps(connection, performed_key).items():
        found += [step for step in orders.load(connection, request_key).steps if step.key in step_keys]
    return found


def _of_study(connection: Connection, study_instance_uid: str) -> list[Step]:
    """The step of a study without an exam that is named: only when there is no other that could be meant."""
    request_key = store.order_of_study(connection, study_instance_uid)
    if request_key is None:
        return []
    steps = _counting(_procedure(orders.load(connection, request_key), study_instance_uid))
    return steps if len(steps) == 1 else []


def _procedure(order: Order, study_instance_uid: str) -> Procedure:
    return next(p for p in order.procedures if p.study_instance_uid == study_instance_uid)


def _counting(procedure: Procedure) -> list[Step]:
    return [step for step in procedure.steps if step.status is not StepStatus.CANCELED]


def _exams(connection: Connection, steps: Sequence[Step]) -> list[performed_store.Performed]:
    keys = store.exams_of_steps(connection, [step.key for step in steps if step.key is not None])
    return [exam for key in keys if (exam := performed_store.load(connection, key)) is not None]


def _open(connection: Connection, steps: Sequence[Step]) -> list[int]:
    """Those that wait for an end, and of which nobody has taken this very conclusion back."""
    keys = [step.key for step in steps if step.key is not None and step.status in _SILENT]
    return [key for key in keys if not inferences.was_withdrawn(connection, key, _RULE)]
