"""The Modality Scheduled Procedure Step Service (PS3.18 chapter 14): a search is a C-FIND by other means.

Keys, matching, the treatment of the device, what is recorded of it and the encoding are those of ``worklist``; only the
form of question and answer differs.  Text is UTF-8, so the device's character set does not apply.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from broker.dicom import datasets, search_keys
from broker.dicom.charset import UTF_8, choices
from broker.dicom.encoding import Encoder, encoder
from broker.dicom.identifiers import Identifier
from broker.dicom.statuses import FindStatus
from broker.dicom.worklist_oddities import note_keys, note_withheld
from broker.domain.devices import DeviceProfile, Devices
from broker.domain.dicom_json import Dataset
from broker.domain.errors import Refusal
from broker.domain.fitting import ItemUnfitError
from broker.domain.query import WorklistQuery
from broker.domain.zones import TIMEZONE, offset_of
from broker.services import worklist
from broker.services.context import Context
from broker.services.devices import DeviceLog, QueryRecord
from broker.services.dicomweb import Caller, Found, ParameterRefused, Search
from broker.services.worklist import Asking

_log = logging.getLogger(__name__)
#: words of PS3.18 8.3.4.2 and 8.3.4.4
_LITERAL_ONLY = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_MORE = "The number of results exceeded the maximum supported by the server. Additional results can be requested."
_NAMED_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class SearchConfig:
    """The site's choices for searches."""

    #: most results of one search, besides the limit of the device; further ones are asked for with an offset
    limit: int = 1000
    #: the site's limit of items per query, where a device has none of its own; 0 none
    site_limit: int = 0
    fuzzy_names: bool = True
    timezone_adjustment: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search, understood."""

    identifier: Identifier
    query: WorklistQuery
    writer: Encoder
    warnings: tuple[str, ...]
    asking: Asking


class WorklistSearch:
    """Answers searches; safe to call from many threads."""

    def __init__(self, context: Context, config: SearchConfig, registry: Devices, log: DeviceLog) -> None:
        self._context = context
        self._config = config
        self._registry = registry
        self._log = log

    def search(self, caller: Caller | None, search: Search) -> Found:
        """As ``DicomWebDesk.search``."""
        started = time.monotonic()
        status, asked, keys = FindStatus.OUT_OF_RESOURCES, None, []
        try:
            asked = self._asked(caller, search)
            limit = self._limit(asked.query, search)
            found = list(islice(self._items(caller, asked), search.offset, search.offset + limit + 1))
            status, keys = FindStatus.SUCCESS, [key for key, _ in found[:limit]]
            more = len(found) > limit and (search.limit is None or search.limit > limit)
            return Found([item for _, item in found[:limit]], (*asked.warnings, *([_MORE] if more else [])))
        except ParameterRefused:
            status = FindStatus.KEY_UNREADABLE
            raise
        finally:
            if caller is not None:
                self._record(caller, asked, status, keys, time.monotonic() - started)

    def _asked(self, caller: Caller | None, search: Search) -> _Asked:
        identifier = search_keys.identifier_of(search)
        device = self._registry.profile(caller.ae_title) if caller else DeviceProfile()
        if caller is not None:
            note_keys(self._log, caller.ae_title, identifier)
        warnings = list(_unsupported(identifier, device))
        fuzzy = search.fuzzy_names and self._config.fuzzy_names
        if search.fuzzy_names and not fuzzy:
            warnings.append(_LITERAL_ONLY)
        offset = self._offset(identifier, warnings)
        asking = Asking(self._config.site_limit, fuzzy, offset)
        try:
            query = worklist.query_for(self._context, identifier.keys, device, asking)
        except Refusal as refusal:
            raise ParameterRefused(refusal.where, refusal.text) from refusal
        treatment = device.treatment
        if offset is not None:
            treatment = replace(treatment, zone=(self._context.site.zone, offset))
        writer = encoder(identifier.shape, datasets.EXPLICIT_LITTLE, choices("", "", UTF_8), treatment)
        return _Asked(identifier, query, writer, tuple(warnings), asking)

    def _offset(self, identifier: Identifier, warnings: list[str]) -> int | None:
        """The zone in which the search means its start times; None: wall time at the site."""
        if not identifier.timezone:
            return None
        offset = offset_of(identifier.timezone)
        if offset is None:
            raise ParameterRefused(TIMEZONE, "an offset such as +0100 is expected (in an address: %2B0100)")
        if not self._config.timezone_adjustment:
            warnings.append(f"{TIMEZONE} is not applied: start times are wall time at the site.")
            return None
        return offset

    def _limit(self, query: WorklistQuery, search: Search) -> int:
        """The most results of this answer."""
        wanted = (self._config.limit, query.limit or self._config.limit, search.limit)
        return min(limit for limit in wanted if limit is not None)

    def _items(self, caller: Caller | None, asked: _Asked) -> Iterator[tuple[int, Dataset]]:
        """All results in order, each with the key of its step; items that cannot be sent are none."""
        for entry in worklist.find(self._context, replace(asked.query, limit=0)):
            try:
                encoded = asked.writer.encode(entry.document)
            except ItemUnfitError as error:
                _log.error("step %d cannot be sent: %s", entry.step_key, error)
                if caller is not None:
                    note_withheld(self._log, caller.ae_title, entry.step_key, error)
                continue
            yield entry.step_key, datasets.decode(encoded, datasets.EXPLICIT_LITTLE).dataset

    def _record(
        self, caller: Caller, asked: _Asked | None, status: FindStatus, step_keys: list[int], seconds: float
    ) -> None:
        asking = asked.asking if asked else Asking()
        self._log.queried(
            QueryRecord(
                at=self._context.clock(), calling_ae_title=caller.ae_title, address=caller.address,
                keys=asked.identifier.keys if asked else {}, status=int(status), answers=len(step_keys),
                milliseconds=round(seconds * 1000), step_keys=step_keys, fuzzy_names=asking.fuzzy_names,
                offset=asking.offset,
            )
        )  # fmt: skip


def _unsupported(identifier: Identifier, device: DeviceProfile) -> Iterator[str]:
    """What FF01 says over DIMSE."""
    if identifier.unsupported and device.warn_unsupported:
        names = ", ".join(map(search_keys.named, identifier.unsupported[:_NAMED_AT_MOST]))
        yield f"These attributes are not supported and were ignored: {names}."
