"""A feed of HL7 messages against a real database, and what stands there afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from broker.domain.scheduling import OrderPolicy
from broker.domain.site import Site
from broker.intake.handler import HandlerConfig, MessageHandler
from broker.services import journal
from broker.services.context import Context
from broker.services.journal import JournalEntry, JournalFilter
from broker.store.database import Database
from broker.store.tables import event, worklist_item
from hl7.acknowledge import read_acknowledgement
from tests.unit.intake import cases

NOW = datetime(2024, 7, 5, 6, 0, tzinfo=UTC)
_MAPPING = cases.usual_mapping()
_SITE = cases.usual_site()


class Feed:
    """Sends messages written as lines; every one gets a control ID of its own.

    ``control`` changes lines of the order control table, by ORC-1 and ORC-5.
    """

    def __init__(
        self,
        url: str,
        config: HandlerConfig | None = None,
        control: Mapping[tuple[str, str], str] | None = None,
        **policy: str,
    ) -> None:
        self._database = Database(url)
        site = Site(zone=ZoneInfo("Europe/Zurich"), orders=OrderPolicy(**policy))
        self.context = Context(self._database, site, lambda: NOW)
        mapping = replace(_MAPPING, order_control={**_MAPPING.order_control, **(control or {})})
        self._handler = MessageHandler(config or HandlerConfig(), self.context, {"ihe-swf": mapping}, _SITE)
        self._sent = 0

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def send(self, kind: str, *segments: str, at: str = "20240705080000", application: str = "RIS") -> str:
        """Send a message of ``segments``; answers its acknowledgement code, with the error code when there is one."""
        self._sent += 1
        header = f"MSH|^~\\&|{application}|RAD|||{at}||{kind}|M{self._sent}|P|2.5.1||||||UNICODE UTF-8"
        raw = self._handler.answer("\r".join([header, *segments, ""]).encode(), "peer")
        assert raw is not None
        answer = read_acknowledgement(raw)
        return " ".join([answer.code.value, *(error.code for error in answer.errors[:1])])

    def items(self) -> dict[str, Mapping[str, Any]]:
        """Every worklist item by its step ID: the document with the step's own attributes, status and station."""
        rows = self._database.read(lambda c: c.execute(select(worklist_item)).all())
        found: dict[str, Mapping[str, Any]] = {}
        for row in rows:
            inner = row.document["ScheduledProcedureStepSequence"][0]
            found[row.scheduled_procedure_step_id] = {**row.document, **inner, "status": row.status, "open": row.open}
        return found

    def facts(self, kind: str) -> Sequence[Mapping[str, Any]]:
        """The data of every fact of one kind."""
        query = select(event.c.data).where(event.c.kind == kind).order_by(event.c.id)
        return self._database.read(lambda c: c.execute(query).scalars().all())

    def newest(self) -> JournalEntry:
        """What the journal says of the newest message."""
        key = journal.find(self.context, JournalFilter(limit=1))[0].key
        entry = journal.load(self.context, key or 0)
        assert entry is not None
        return entry


def pid(number: str = "4711", name: str = "SAMPLE^SAM") -> str:
    """A PID segment."""
    return f"PID|||{number}^^^HOSP||{name}||19700131|M"


def orc(control: str, status: str = "", *, order: str = "1", at: str = "") -> str:
    """An ORC segment of order ``order``."""
    return f"ORC|{control}|P{order}^HIS|F{order}^RIS||{status}||||{at}"


def obr(
    order: str = "1", *, code: str = "CTHEAD^CT head^L", start: str = "", step: str = "", priority: str = ""
) -> str:
    """An OBR segment that numbers everything."""
    fields = [""] * 37
    fields[0], fields[2], fields[3], fields[4], fields[5] = "OBR", f"P{order}^HIS", f"F{order}^RIS", code, priority
    fields[18], fields[19], fields[20], fields[24] = f"A{order}", f"RP{order}", step or f"SPS{order}", "CT"
    fields[36] = start
    return "|".join(fields)
