"""The MPPS service class: N-CREATE and N-SET (PS3.4 F.7.2), and N-GET of MPPS Retrieve (PS3.4 F.8.2).

Translates between plain requests and the use cases of performed steps; knows no transport and decides no workflow.
"""

import logging
from collections.abc import Callable, Collection

from broker.dicom import datasets
from broker.dicom.messages import Request, Response
from broker.dicom.statuses import MAY_NO_LONGER_BE_UPDATED, Status
from broker.domain.dicom_json import Dataset, key_of
from broker.domain.errors import Conflict, Unavailable
from broker.domain.identifiers import random_uid
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import TABLE, TAG
from broker.services import performed
from broker.services.context import Context

MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"

#: what every performed step has, if only without a value (type 2)
_ALWAYS_KEPT = tuple(row.tag for row in TABLE.values() if row.create.startswith("2"))
_COMMENT_LIMIT = 64
_log = logging.getLogger(__name__)

_STATUSES = {
    PerformedFault.MISSING: Status.MISSING_ATTRIBUTE,
    PerformedFault.EMPTY: Status.MISSING_ATTRIBUTE_VALUE,
    PerformedFault.INVALID: Status.INVALID_ATTRIBUTE_VALUE,
    PerformedFault.NOT_SETTABLE: Status.NO_SUCH_ATTRIBUTE,
    PerformedFault.DUPLICATE: Status.DUPLICATE_SOP_INSTANCE,
    PerformedFault.UNKNOWN: Status.NO_SUCH_SOP_INSTANCE,
    PerformedFault.INVALID_UID: Status.INVALID_OBJECT_INSTANCE,
    PerformedFault.FINAL: Status.PROCESSING_FAILURE,
}


class MppsHandler:
    """Answers the three services; safe to call from many threads."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, request: Request) -> Response:
        """N-CREATE.  Without an instance UID one is assigned and returned (PS3.7 section 10.1.5.1.3)."""
        uid = request.sop_instance_uid or random_uid()
        return self._answer("N-CREATE", request, MPPS, lambda: self._create(request, uid))

    def set(self, request: Request) -> Response:
        """N-SET."""
        return self._answer("N-SET", request, MPPS, lambda: self._set(request))

    def get(self, request: Request) -> Response:
        """N-GET; an empty attribute list asks for everything.

        PS3.4 F.8.2.1 wants the Retrieve SOP Class named; that under which the instance was made is let pass.
        """
        return self._answer("N-GET", request, MPPS_RETRIEVE, lambda: self._get(request), also=MPPS)

    def _create(self, request: Request, uid: str) -> Response:
        result = performed.start(self._context, self._message(request, uid))
        return Response(Status.SUCCESS, sop_instance_uid=result.sop_instance_uid)

    def _set(self, request: Request) -> Response:
        result = performed.update(self._context, self._message(request, request.sop_instance_uid or ""))
        return Response(Status.SUCCESS, sop_instance_uid=result.sop_instance_uid)

    def _get(self, request: Request) -> Response:
        result = performed.get(self._context, request.sop_instance_uid or "")
        asked = request.attribute_identifiers
        found = _selected(result.dataset, asked or (*map(_tag_of, result.dataset), *_ALWAYS_KEPT))
        unknown = tuple(tag for tag in asked if key_of(tag) not in found and tag not in TABLE)
        left_out = any(key_of(tag) not in found for tag in asked)
        status = Status.SUCCESS
        if left_out:
            status = Status.ATTRIBUTE_LIST_ERROR if unknown else Status.OPTIONAL_NOT_SUPPORTED
        encoded = datasets.encode(found, request.transfer_syntax_uid)
        return Response(status, encoded, offending=unknown, sop_instance_uid=result.sop_instance_uid)

    def _message(self, request: Request, uid: str) -> performed.PerformedMessage:
        decoded = datasets.decode(request.dataset, request.transfer_syntax_uid)
        tolerated: tuple[Toleration, ...] = ()
        if decoded.faulty_text:
            policy = self._context.site.performed.of_device(request.association.calling_ae_title)
            if Quirk.UNDECODABLE_TEXT not in policy.tolerate:
                raise PerformedRefusal(
                    PerformedFault.INVALID, ("SpecificCharacterSet",), (TAG["SpecificCharacterSet"],)
                )
            tolerated = (Toleration(Quirk.UNDECODABLE_TEXT),)
        return performed.PerformedMessage(
            sop_instance_uid=uid,
            dataset=decoded.dataset,
            calling_ae_title=request.association.calling_ae_title,
            transfer_syntax_uid=request.transfer_syntax_uid,
            received=request.dataset,
            tolerated=tolerated,
        )

    def _answer(
        self, service: str, request: Request, sop_class_uid: str, work: Callable[[], Response], *, also: str = ""
    ) -> Response:
        """Run ``work``; each way to fail has its status and is logged without contents."""
        response = self._attempt(service, request, {sop_class_uid, also}, work)
        if response.error_comment is not None:
            _log.warning(
                "%s from %s answered 0x%04X: %s",
                service, request.association.calling_ae_title, response.status, response.error_comment,
            )  # fmt: skip
        return response

    def _attempt(
        self, service: str, request: Request, sop_classes: Collection[str], work: Callable[[], Response]
    ) -> Response:
        if request.sop_class_uid not in sop_classes:
            known = request.sop_class_uid in {MPPS, MPPS_RETRIEVE}
            status = Status.UNRECOGNISED_OPERATION if known else Status.NO_SUCH_SOP_CLASS
            return Response(status, error_comment=f"{service} is not a service of this SOP class")
        try:
            return work()
        except PerformedRefusal as refusal:
            return refused(refusal, service)
        except datasets.DatasetError as error:
            return Response(Status.PROCESSING_FAILURE, error_comment=_comment(str(error)))
        except Unavailable:
            return Response(Status.PROCESSING_FAILURE, error_comment="database not reachable, repeat later")
        except Conflict:
            return Response(Status.PROCESSING_FAILURE, error_comment="busy with this exam, repeat later")


def refused(refusal: PerformedRefusal, service: str) -> Response:
    """The failure response of a refusal.  N-SET does not know Missing Attribute (0120): 0121 stands in for it."""
    status = _STATUSES[refusal.fault]
    if service != "N-CREATE" and status is Status.MISSING_ATTRIBUTE:
        status = Status.MISSING_ATTRIBUTE_VALUE
    error_id = MAY_NO_LONGER_BE_UPDATED if refusal.fault is PerformedFault.FINAL else None
    return Response(status, error_comment=_words(refusal), error_id=error_id, offending=refusal.tags)


def _words(refusal: PerformedRefusal) -> str:
    """Fault and first offending attribute, as much of its path as fits the Error Comment."""
    if not refusal.paths:
        return _comment(refusal.fault.value)
    path = refusal.paths[0]
    last = path.rpartition(">")[2]
    choices = (f"{refusal.fault.value}: {path}", f"{refusal.fault.value}: {last}", last)
    return _comment(next((c for c in choices if len(c) <= _COMMENT_LIMIT), last))


def _comment(text: str) -> str:
    """At most 64 characters of the default repertoire (LO; PS3.7 Annex C)."""
    return text.encode("ascii", "replace").decode("ascii")[:_COMMENT_LIMIT]


def _tag_of(key: str) -> int:
    return int(key, 16)


def _selected(dataset: Dataset, asked: tuple[int, ...]) -> Dataset:
    """The attributes asked for; a type 2 attribute that was never given comes back empty."""
    found = {}
    for tag in asked:
        row = TABLE.get(tag)
        if key_of(tag) in dataset:
            found[key_of(tag)] = dataset[key_of(tag)]
        elif row is not None and row.create.startswith("2"):
            found[key_of(tag)] = {"vr": row.vr}
    return found
