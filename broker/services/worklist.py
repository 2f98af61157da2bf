"""The worklist for those who ask: devices, the command line, the explainer.

Reads page by page, each page in a transaction of its own: none is open while a slow device takes its answers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import groupby, islice

from broker.domain.attributes import SPS_SEQUENCE, Attributes
from broker.domain.devices import DeviceProfile, lingering, narrowed
from broker.domain.query import WorklistQuery
from broker.domain.query_keys import START_DATE, asks_for_status, query_of
from broker.domain.zones import at_site
from broker.services.context import Context
from broker.store import worklist as store

WorklistEntry = store.Row
_FIRST_PAGE = 100
_PAGE = 500
#: what was written while a list was read is looked for this much earlier
_CLOCKS_DIFFER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Asking:
    """What counts for one query besides its keys and the device: the site's limit, and what was negotiated."""

    limit: int = 0
    fuzzy_names: bool = False
    #: minutes east of UTC in which the query's start dates and times are meant; None: at the site
    offset: int | None = None


def query_for(context: Context, keys: Attributes, device: DeviceProfile, asking: Asking | None = None) -> WorklistQuery:
    """The query that a device means with these keys: the one way from keys to conditions, for answers and explanations.

    :raises Refusal: a key cannot be read.
    """
    asking = asking or Asking()
    query = query_of(keys, context.site.shown, asking.limit, device.manner(fuzzy=asking.fuzzy_names))
    return for_device(context, query, device, asking.offset)


def for_device(
    context: Context, query: WorklistQuery, device: DeviceProfile, offset: int | None = None
) -> WorklistQuery:
    """The query as the device means it: its zone, statuses, stations, filters, default window and limit applied."""
    now = context.clock()
    if offset is not None:
        query = at_site(query, context.site.zone, offset, now)
    if not asks_for_status(query):
        statuses = query.statuses if device.shown is None else device.shown
        query = replace(query, statuses=statuses, lingering=lingering(device, now))
    local_now = now.astimezone(context.site.zone)
    return narrowed(replace(query, limit=device.limit or query.limit), device, local_now)


def find(context: Context, query: WorklistQuery) -> Iterator[WorklistEntry]:
    """The items that match, by start, then station, then step ID; at most ``query.limit`` of them.

    :raises Unavailable: the database cannot be reached; also in the middle of the answers.
    """
    answers = _in_order(_rows(context, query))
    return islice(answers, query.limit) if query.limit else answers


def _rows(context: Context, query: WorklistQuery, *, hidden: bool = False) -> Iterator[WorklistEntry]:
    """Page by page.  A step that moves meanwhile may move from one page to another: none is told twice, and those that
    moved over to what was read already are told at the end."""
    database = context.database
    version, began = database.data_version, context.clock()
    reader = store.Reader(query, sqlite=database.is_sqlite, hidden=hidden, name_index=database.has_name_index)
    page = context.database.read(lambda c: reader.page(c, None, _FIRST_PAGE))
    yield from page.rows
    if page.next is None:
        return
    told = {row.step_key for row in page.rows}
    yield from _further(context, partial(reader.page, after=page.next), told)
    if version is None or version != database.data_version:
        moved = partial(reader.page, after=None, since=began - _CLOCKS_DIFFER)
        yield from _further(context, moved, told)


def _further(context: Context, read: Callable[..., store.Page], told: set[int]) -> Iterator[WorklistEntry]:
    """The rows of ``read`` and of the pages behind it that were not told; from now on they are."""
    page: store.Page | None = None
    while page is None or page.next is not None:
        place = {} if page is None else {"after": page.next}
        page = context.database.read(lambda c, place=place: read(c, size=_PAGE, **place))  # type: ignore[misc]
        new = [row for row in page.rows if row.step_key not in told]
        told.update(row.step_key for row in new)
        yield from new


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


def candidates(context: Context, wanted: ItemFilter, most: int) -> tuple[list[WorklistEntry], bool]:
    """The items by which a list is explained, at most ``most``, by start; and whether there may be more.

    Those that ``wanted`` names; when it names none, the steps from yesterday on and those that still wait from before,
    so that years of finished steps do not hide them.

    :raises Refusal: the date cannot be read.
    """
    if replace(wanted, limit=0) != ItemFilter(limit=0):
        found = list_items(context, replace(wanted, limit=most + 1))
        return found[:most], len(found) > most
    yesterday = f"{context.clock().astimezone(context.site.zone) - timedelta(days=1):%Y%m%d}"
    each = most // 4
    waiting = context.database.read(lambda c: store.waiting(c, yesterday, each))
    recent = list_items(context, ItemFilter(date=f"{yesterday}-", limit=most - len(waiting) + 1))
    more = len(waiting) >= each or len(waiting) + len(recent) > most
    return [*sorted(waiting, key=lambda row: row.start_at), *recent][:most], more
