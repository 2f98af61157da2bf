"""The Modality Worklist service class: C-FIND (PS3.4 Annex K).

Translates between plain requests and the worklist's use cases; knows no transport and decides no visibility.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from broker.dicom import identifiers
from broker.dicom.charset import charset as known_charset
from broker.dicom.charset import choices
from broker.dicom.encoded_items import EncodedItems, Key
from broker.dicom.encoding import Encoder, encoder
from broker.dicom.identifiers import Identifier, IdentifierError
from broker.dicom.messages import Request, Response
from broker.dicom.statuses import FindStatus
from broker.domain.devices import DeviceProfile, Devices
from broker.domain.errors import Refusal, Unavailable
from broker.domain.fitting import ItemUnfitError
from broker.domain.zones import offset_of
from broker.services import worklist
from broker.services.context import Context
from broker.services.devices import DeviceLog, QueryRecord, WarningKind
from broker.services.worklist import Asking, WorklistEntry

MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"

_COMMENT_LIMIT = 64
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorklistConfig:
    """The site's choices for answers."""

    #: at most so many items in an answer; 0 for all
    limit: int = 0
    #: Specific Character Set when neither the device nor its request has one that suffices
    charset: str = "ISO_IR 192"


@dataclass(slots=True)
class _Course:
    """What is known of a query when it ends, however it ends."""

    identifier: Identifier | None = None
    step_keys: list[int] = field(default_factory=list)
    #: a generator that is closed early was cancelled
    status: int = FindStatus.CANCEL


class WorklistHandler:
    """Answers C-FIND; safe to call from many threads."""

    def __init__(self, context: Context, config: WorklistConfig, registry: Devices, log: DeviceLog) -> None:
        self._context = context
        self._config = config
        self._registry = registry
        self._log = log
        self._encoded = EncodedItems()

    def find(self, request: Request) -> Iterator[Response]:
        """Pending answers by start, station and step ID, then the final one."""
        started = time.monotonic()
        course = _Course()
        try:
            for response in self._answers(request, course):
                if response.dataset is None:
                    course.status = response.status
                yield response
        finally:
            self._record(request, course, time.monotonic() - started)

    def _answers(self, request: Request, course: _Course) -> Iterator[Response]:
        device = self._registry.profile(request.association.calling_ae_title)
        try:
            yield from self._items(request, device, course)
        except IdentifierError as error:
            yield _failure(error.status, error.text, error.tag)
        except Refusal as refusal:
            yield _failure(FindStatus.KEY_UNREADABLE, refusal.text, identifiers.tag_of(refusal.where))
        except Unavailable:
            yield _failure(FindStatus.OUT_OF_RESOURCES, "database not reachable, repeat later")

    def _items(self, request: Request, device: DeviceProfile, course: _Course) -> Iterator[Response]:
        if request.sop_class_uid != MODALITY_WORKLIST_FIND:
            yield _failure(FindStatus.SOP_CLASS_NOT_SUPPORTED, "only the Modality Worklist is served here")
            return
        course.identifier = identifier = identifiers.read(request.dataset, request.transfer_syntax_uid)
        self._note(identifier, device)
        offset = offset_of(identifier.timezone) if request.association.timezone_adjustment else None
        asking = Asking(self._config.limit, request.association.fuzzy_names, offset)
        query = worklist.query_for(self._context, identifier.keys, device, asking)
        status = FindStatus.PENDING
        if identifier.unsupported and device.warn_unsupported:
            status = FindStatus.PENDING_KEY_NOT_SUPPORTED
        writer = self._writer(request, identifier, device, offset)
        one_more = replace(query, limit=query.limit + 1) if query.limit else query
        for read, entry in enumerate(worklist.find(self._context, one_more)):
            if query.limit and read == query.limit:
                _log.warning("the list of %s was cut at %d items", device.ae_title, query.limit)
                self._log.warned(device.ae_title, WarningKind.CUT, f"its list was cut at {query.limit} items")
                break
            encoded = self._encode(entry, writer, device)
            if encoded is not None:
                course.step_keys.append(entry.step_key)
                yield Response(status, encoded)
        yield Response(FindStatus.SUCCESS)

    def _writer(self, request: Request, identifier: Identifier, device: DeviceProfile, offset: int | None) -> Encoder:
        charsets = choices(device.charset, identifier.charset, self._config.charset)
        treatment = device.treatment
        if offset is not None:
            treatment = replace(treatment, zone=(self._context.site.zone, offset))
        return encoder(identifier.shape, request.transfer_syntax_uid, charsets, treatment)

    def _note(self, identifier: Identifier, device: DeviceProfile) -> None:
        """What is odd about a request is kept for the device page."""
        if identifier.unsupported:
            tags = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in identifier.unsupported[:10])
            self._log.warned(device.ae_title, WarningKind.KEYS, f"it asks for what the worklist does not have: {tags}")
        if identifier.charset and not known_charset(identifier.charset):
            self._log.warned(device.ae_title, WarningKind.CHARSET, "it names a character set that is not known")

    def _encode(self, entry: WorklistEntry, writer: Encoder, device: DeviceProfile) -> bytes | None:
        key = Key(entry.step_key, entry.version, writer)
        try:
            return self._encoded.get(key, lambda: writer.encode(entry.document))
        except ItemUnfitError as error:
            _log.error("step %d cannot be sent: %s", entry.step_key, error)
            text = f"step {entry.step_key} was withheld: {error}"
            self._log.warned(device.ae_title, WarningKind.WITHHELD, text)
            return None

    def _record(self, request: Request, course: _Course, seconds: float) -> None:
        association = request.association
        self._log.queried(
            QueryRecord(
                at=self._context.clock(), calling_ae_title=association.calling_ae_title, address=association.address,
                keys=course.identifier.keys if course.identifier else {}, status=int(course.status),
                answers=len(course.step_keys), milliseconds=round(seconds * 1000), step_keys=course.step_keys,
            )
        )  # fmt: skip


def _failure(status: FindStatus, text: str, tag: int | None = None) -> Response:
    _log.info("C-FIND answered 0x%04X: %s", status, text)
    comment = text.encode("ascii", "replace").decode("ascii")[:_COMMENT_LIMIT]
    return Response(status, error_comment=comment, offending=() if tag is None else (tag,))
