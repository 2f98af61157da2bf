"""Why a device sees what it sees: the recorded query or the present rules, each candidate, and what removed it.

Built on the very predicates that answer queries: ``worklist.query_for``, ``matching.why_not``, ``treatment.withheld``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from broker.domain.attributes import ROOT_LEVEL, SPS_SEQUENCE, Attributes
from broker.domain.devices import DeviceProfile, Devices
from broker.domain.errors import Refusal
from broker.domain.explaining import Reason, reason
from broker.domain.matching import Obstacle, Verdict, why_not
from broker.domain.query import WorklistQuery
from broker.domain.treatment import withheld
from broker.domain.worklist_item import missing_of
from broker.services import worklist
from broker.services.context import Context
from broker.services.device_registry import recent_queries
from broker.services.devices import QueryRecord
from broker.services.worklist import Asking, ItemFilter, WorklistEntry
from broker.store import device_registry as registry_store

#: no key with a value, and every attribute: what a device asks that only opens its list
_EVERYTHING: Attributes = {**{keyword: [] for keyword in ROOT_LEVEL}, SPS_SEQUENCE: []}
_MOST = 200
_UNKNOWN = "it is not registered, and unknown devices are refused (`dicom.unknown`): accept it on the devices page"
_UNREADABLE = "its query had no key that could be read, and was answered {:04X}: its warnings tell why"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One candidate and what keeps it from the list; None when it is on it."""

    entry: WorklistEntry
    verdict: Verdict | None

    @property
    def reason(self) -> Reason | None:
        """The verdict in words, with the remedy."""
        if self.verdict is None:
            return None
        return reason(self.verdict, self.entry.document, self.entry.status)


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What the site decides for all devices: the limit of items, and whether unknown devices are let in."""

    limit: int = 0
    accept_unknown: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """An explained query.  ``asked_at`` is None when nobody asked and the present rules are told about."""

    device: DeviceProfile
    keys: Attributes
    asked_at: datetime | None
    explanations: tuple[Explanation, ...]
    #: why it gets no list at all; empty when it does
    refused: str = ""
    #: there were more candidates than are explained
    more: bool = False
    #: what was negotiated for the query
    asking: Asking = field(default_factory=Asking)


def explain(context: Context, query: WorklistQuery, candidates: ItemFilter) -> list[Explanation]:
    """For each item that ``candidates`` names: shown by ``query``, or the first rule or key that removes it."""
    return [Explanation(e, why_not(query, e.candidate)) for e in worklist.list_items(context, candidates)]


def explain_device(
    context: Context, devices: Devices, ae_title: str, candidates: ItemFilter, rules: SiteRules | None = None, *,
    recorded: bool = True,
) -> Account:  # fmt: skip
    """What the device's newest query means for the candidates; with ``recorded`` false, or when it never asked, what it
    would be shown if it asked for everything.

    :raises Refusal: a filter of the candidates cannot be read.
    """
    asked = _newest(context, ae_title) if recorded else None
    rules = rules or SiteRules()
    device = devices.profile(ae_title)
    if not rules.accept_unknown and not devices.known(ae_title):
        return Account(device, {}, None, (), refused=_UNKNOWN)
    if asked is None:
        return explain_keys(context, device, _EVERYTHING, candidates, Asking(rules.limit))
    if not asked.keys:
        return Account(device, {}, asked.at, (), refused=_UNREADABLE.format(asked.status))
    asking = Asking(rules.limit, asked.fuzzy_names, asked.offset)
    return explain_keys(context, device, asked.keys, candidates, asking, asked_at=asked.at)  # type: ignore[arg-type]


def explain_keys(
    context: Context, device: DeviceProfile, keys: Attributes, candidates: ItemFilter, asking: Asking | None = None, *,
    asked_at: datetime | None = None,
) -> Account:  # fmt: skip
    """What a query with these keys means now for the candidates."""
    asking = asking or Asking()
    found, more = worklist.candidates(context, candidates, _MOST)
    try:
        query = worklist.query_for(context, keys, device, asking)
    except Refusal as refusal:
        refused = f"its query is refused: {refusal.where}: {refusal.text}"
        return Account(device, keys, asked_at, (), refused=refused, asking=asking)
    within = _within_limit(context, query)
    explained = tuple(Explanation(e, _verdict(query, e, device, keys, within)) for e in found)
    return Account(device, keys, asked_at, explained, more=more, asking=asking)


def _verdict(
    query: WorklistQuery, entry: WorklistEntry, device: DeviceProfile, keys: Attributes, within: frozenset[int] | None
) -> Verdict | None:
    verdict = why_not(query, entry.candidate)
    if verdict is not None:
        return verdict
    if within is not None and entry.step_key not in within:
        return Verdict(Obstacle.LIMIT)
    keyword = withheld(entry.document, keys, device.treatment)
    return Verdict(Obstacle.WITHHELD, keyword) if keyword else None


def _within_limit(context: Context, query: WorklistQuery) -> frozenset[int] | None:
    """The steps on a list that has a limit; None when it has none."""
    if not query.limit:
        return None
    return frozenset(entry.step_key for entry in islice(worklist.find(context, query), query.limit))


def _newest(context: Context, ae_title: str) -> QueryRecord | None:
    return next(iter(recent_queries(context, ae_title, 1)), None)


@dataclass(frozen=True, slots=True)
class Gap:
    """An open item that no device is sent, and the required attributes it lacks."""

    step_key: int
    request_key: int
    missing: tuple[str, ...]


def gaps(context: Context, limit: int = 100) -> list[Gap]:
    """The open items that cannot be sent because a required attribute has no value, the earliest first."""
    rows = context.database.read(lambda c: registry_store.incomplete(c, limit))
    return [Gap(step, order, missing_of(document)) for step, order, document in rows]
