"""The Modality Worklist service class: C-FIND (PS3.4 Annex K).

Translates between plain requests and the worklist's use cases; knows no transport and decides no visibility.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from broker.dicom import identifiers
from broker.dicom.charset import choices
from broker.dicom.encoded_items import EncodedItems, Key
from broker.dicom.encoding import Encoder, encoder
from broker.dicom.identifiers import Identifier, IdentifierError
from broker.dicom.messages import ReadyResponses, Request, Response
from broker.dicom.ready_answers import MOST_BYTES_OF_ONE, Answer, Question, ReadyAnswers
from broker.dicom.statuses import FindStatus
from broker.dicom.worklist_oddities import note_cut, note_keys, note_refused, note_withheld
from broker.domain.devices import DeviceProfile, Devices
from broker.domain.errors import Refusal, Unavailable
from broker.domain.fitting import ItemUnfitError
from broker.domain.query import Manner, WorklistQuery
from broker.domain.query_keys import query_of
from broker.domain.states import StepStatus
from broker.domain.zones import offset_of
from broker.services import worklist
from broker.services.context import Context
from broker.services.devices import DeviceLog, QueryRecord
from broker.services.worklist import WorklistEntry

MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"

_COMMENT_LIMIT = 64
_CACHED_SIZE = 4096
_MOST_ASKED = 1024
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, understood as its device means it."""

    identifier: Identifier
    question: Question


class WorklistHandler:
    """Answers C-FIND; safe to call from many threads."""

    def __init__(self, context: Context, config: WorklistConfig, registry: Devices, log: DeviceLog) -> None:
        self._context = context
        self._config = config
        self._registry = registry
        self._log = log
        self._encoded = EncodedItems()
        self._ready = ReadyAnswers()
        #: what requests meant to devices whose settings know no present moment
        self._asked_before: dict[tuple[object, ...], tuple[DeviceProfile, _Asked]] = {}

    def find_at_once(self, request: Request) -> tuple[Response, ...] | None:
        """The whole answer when it is at hand and nothing was committed since it was made, else None.  Never waits."""
        if len(request.dataset) > _CACHED_SIZE:
            return None  # long to read: not while everybody waits
        started = time.monotonic()
        try:
            asked = self._asked(request)
        except (IdentifierError, Refusal):
            return None  # refused by ``find``
        answer = self._ready.get(asked.question, self._context.database.data_version)
        if answer is None:
            return None
        course = _Course(asked.identifier, list(answer.step_keys), FindStatus.SUCCESS)
        self._record(request, course, time.monotonic() - started)
        return answer.responses

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
        try:
            version = self._context.database.data_version
            asked = self._asked(request)
            course.identifier = asked.identifier
            note_keys(self._log, request.association.calling_ae_title, asked.identifier)
            given: list[Response] = []
            room = MOST_BYTES_OF_ONE
            for response in self._items(asked, request.association.calling_ae_title, course):
                room -= len(response.dataset or b"")
                if room < 0:
                    given.clear()  # too long to be kept: not held in memory either
                else:
                    given.append(response)
                    if response.dataset is None:  # the last one, behind which nobody asks for more
                        answer = Answer(ReadyResponses(given), tuple(course.step_keys))
                        self._ready.keep(asked.question, version, answer)
                yield response
        except IdentifierError as error:
            yield self._refused(request, error.status, error.text, error.tag)
        except Refusal as refusal:
            tag = identifiers.tag_of(refusal.where)
            yield self._refused(request, FindStatus.KEY_UNREADABLE, refusal.text, tag)
        except Unavailable:
            _log.warning("C-FIND of %s not answered: the database cannot be reached", _who(request))
            yield _failure(FindStatus.OUT_OF_RESOURCES, "database not reachable, repeat later")

    def _refused(self, request: Request, status: FindStatus, text: str, tag: int | None) -> Response:
        _log.info("C-FIND of %s refused with 0x%04X: %s", _who(request), status, text)
        note_refused(self._log, request.association.calling_ae_title, status, text, tag)
        return _failure(status, text, tag)

    def _asked(self, request: Request) -> _Asked:
        """What the device wants to know; raises IdentifierError or Refusal when it asks wrongly."""
        if request.sop_class_uid != MODALITY_WORKLIST_FIND:
            raise IdentifierError(FindStatus.SOP_CLASS_NOT_SUPPORTED, "only the Modality Worklist is served here")
        association = request.association
        device = self._registry.profile(association.calling_ae_title)
        key = (request.dataset, request.transfer_syntax_uid, association.calling_ae_title, association.fuzzy_names)
        known = self._asked_before.get(key)
        if known is not None and known[0] == device and not association.timezone_adjustment:
            return known[1]
        asked = self._read(request, device)
        if device.timeless and not association.timezone_adjustment and len(request.dataset) <= _CACHED_SIZE:
            if len(self._asked_before) >= _MOST_ASKED:
                self._asked_before.clear()
            self._asked_before[key] = (device, asked)
        return asked

    def _read(self, request: Request, device: DeviceProfile) -> _Asked:
        # devices ask the same question all day; rare long ones are not worth their memory
        understand = _understood if len(request.dataset) <= _CACHED_SIZE else _understood.__wrapped__
        sent = (request.dataset, request.transfer_syntax_uid)
        manner = device.manner(fuzzy=request.association.fuzzy_names)
        identifier, as_sent = understand(*sent, self._context.site.shown, self._config.limit, manner)
        offset = _offset(request, identifier)
        query = worklist.for_device(self._context, as_sent, device, offset)
        warned = bool(identifier.unsupported) and device.warn_unsupported
        status = FindStatus.PENDING_KEY_NOT_SUPPORTED if warned else FindStatus.PENDING
        writer = self._writer(request, identifier, device, offset)
        return _Asked(identifier, Question(query, writer, status))

    def _writer(self, request: Request, identifier: Identifier, device: DeviceProfile, offset: int | None) -> Encoder:
        charsets = choices(device.charset, identifier.charset, self._config.charset)
        treatment = device.treatment
        if offset is not None:
            treatment = replace(treatment, zone=(self._context.site.zone, offset))
        return encoder(identifier.shape, request.transfer_syntax_uid, charsets, treatment)

    def _items(self, asked: _Asked, ae_title: str, course: _Course) -> Iterator[Response]:
        query, writer, status = asked.question.query, asked.question.encoder, asked.question.status
        one_more = replace(query, limit=query.limit + 1) if query.limit else query
        for read, entry in enumerate(worklist.find(self._context, one_more)):
            if query.limit and read == query.limit:
                _log.warning("the list of %s was cut at %d items", ae_title, query.limit)
                note_cut(self._log, ae_title, query.limit)
                break
            encoded = self._encode(entry, writer, ae_title)
            if encoded is not None:
                course.step_keys.append(entry.step_key)
                yield Response(status, encoded)
        yield Response(FindStatus.SUCCESS)

    def _encode(self, entry: WorklistEntry, writer: Encoder, ae_title: str) -> bytes | None:
        key = Key(entry.step_key, entry.version, writer)
        try:
            return self._encoded.get(key, lambda: writer.encode(entry.document))
        except ItemUnfitError as error:
            _log.error("step %d cannot be sent: %s", entry.step_key, error)
            note_withheld(self._log, ae_title, entry.step_key, error)
            return None

    def _record(self, request: Request, course: _Course, seconds: float) -> None:
        association, identifier = request.association, course.identifier
        self._log.queried(
            QueryRecord(
                at=self._context.clock(), calling_ae_title=association.calling_ae_title, address=association.address,
                keys=identifier.keys if identifier else {}, status=int(course.status),
                answers=len(course.step_keys), milliseconds=round(seconds * 1000), step_keys=course.step_keys,
                fuzzy_names=association.fuzzy_names, offset=_offset(request, identifier) if identifier else None,
            )
        )  # fmt: skip


@lru_cache(maxsize=512)
def _understood(
    data: bytes, transfer_syntax_uid: str, shown: frozenset[StepStatus], limit: int, manner: Manner
) -> tuple[Identifier, WorklistQuery]:
    identifier = identifiers.read(data, transfer_syntax_uid)
    return identifier, query_of(identifier.keys, shown, limit, manner)


def _offset(request: Request, identifier: Identifier) -> int | None:
    """Minutes east of UTC in which the device means its times; None: as the site."""
    return offset_of(identifier.timezone) if request.association.timezone_adjustment else None


def _who(request: Request) -> str:
    return f"{request.association.calling_ae_title!r} at {request.association.address}"


def _failure(status: FindStatus, text: str, tag: int | None = None) -> Response:
    comment = text.encode("ascii", "replace").decode("ascii")[:_COMMENT_LIMIT]
    return Response(status, error_comment=comment, offending=() if tag is None else (tag,))
