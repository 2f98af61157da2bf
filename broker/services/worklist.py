"""The worklist for those who ask: devices, the command line, the explainer.

Reads page by page, each page in a transaction of its own: none is open while a slow device takes its answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice

from broker.domain.attributes import SPS_SEQUENCE
from broker.domain.devices import DeviceProfile, narrowed
from broker.domain.matching import Verdict, why_not
from broker.domain.query import WorklistQuery
from broker.domain.query_keys import START_DATE, query_of
from broker.services.context import Context
from broker.store import worklist as store

WorklistEntry = store.Row
_FIRST_PAGE = 100
_PAGE = 500


def for_device(context: Context, query: WorklistQuery, device: DeviceProfile) -> WorklistQuery:
    """The query as the device means it: its statuses, stations, default window and limit applied."""
    local_now = context.clock().astimezone(context.site.zone)
    if device.shown is not None and query.statuses == context.site.shown:
        query = replace(query, statuses=device.shown)
    return narrowed(replace(query, limit=device.limit or query.limit), device, local_now)


def find(context: Context, query: WorklistQuery) -> Iterator[WorklistEntry]:
    """The items that match, by start, then station, then step ID; at most ``query.limit`` of them.

    :raises Unavailable: the database cannot be reached; also in the middle of the answers.
    """
    answers = _in_order(_rows(context, query))
    return islice(answers, query.limit) if query.limit else answers


def _rows(context: Context, query: WorklistQuery, *, hidden: bool = False) -> Iterator[WorklistEntry]:
    reader = store.Reader(query, sqlite=context.database.is_sqlite, hidden=hidden)
    page = context.database.read(lambda c: reader.page(c, None, _FIRST_PAGE))
    yield from page.rows
    while page.next is not None:
        page = context.database.read(partial(reader.page, after=page.next, size=_PAGE))
        yield from page.rows


def _in_order(rows: Iterator[WorklistEntry]) -> Iterator[WorklistEntry]:
    """The database sorts by start; what starts at the same moment is sorted here."""
    for _, together in groupby(rows, lambda row: row.start_at):
        yield from sorted(together, key=lambda row: (row.station, row.scheduled_procedure_step_id, row.step_key))


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items people want; each value is a key as a device would send it, an empty one does not filter."""

    accession_number: str = ""
    patient_id: str = ""
    name: str = ""
    modality: str = ""
    station: str = ""
    #: ``YYYYMMDD`` or a range of those
    date: str = ""
    limit: int = 1000


def list_items(context: Context, wanted: ItemFilter) -> list[WorklistEntry]:
    """Items whether devices are shown them or not; the first ``wanted.limit`` of them, by start.

    :raises Refusal: the date cannot be read.
    """
    step = {"Modality": wanted.modality, "ScheduledStationAETitle": wanted.station, START_DATE: wanted.date}
    root = {
        "AccessionNumber": wanted.accession_number, "PatientID": wanted.patient_id, "PatientName": wanted.name,
    }  # fmt: skip
    query = query_of({**root, SPS_SEQUENCE: [step]})
    return list(islice(_in_order(_rows(context, query, hidden=True)), wanted.limit))


@dataclass(frozen=True, slots=True)
class Explanation:
    """One candidate and what keeps it from the list; None when it is on it."""

    entry: WorklistEntry
    verdict: Verdict | None


def explain(context: Context, query: WorklistQuery, candidates: ItemFilter) -> list[Explanation]:
    """For each item that ``candidates`` names: shown by ``query``, or the first rule or key that removes it."""
    return [Explanation(entry, why_not(query, entry.candidate)) for entry in list_items(context, candidates)]
