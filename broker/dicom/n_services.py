"""What the N services have in common: decoding the request, and for each way to fail its status (PS3.7 Annex C).

Translates refusals of the rules and faults of the data set; logs them without contents.  Knows no transport and no
single service.
"""

import logging
from collections.abc import Callable, Collection

from broker.dicom import datasets
from broker.dicom.messages import Request, Response
from broker.dicom.statuses import MAY_NO_LONGER_BE_UPDATED, Status
from broker.domain.dicom_json import Dataset
from broker.domain.errors import Conflict, Unavailable
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import TAG
from broker.services.context import Context

_COMMENT_LIMIT = 64
_log = logging.getLogger(__name__)

#: the SOP classes of the N services that the broker provides
MPPS = "1.2.840.10008.3.1.2.3.3"
MPPS_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"
SOP_CLASSES = frozenset({MPPS, MPPS_RETRIEVE, INSTANCE_AVAILABILITY})

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


def decoded(context: Context, request: Request) -> tuple[Dataset, tuple[Toleration, ...]]:
    """The data set of a request, and what was let pass in decoding it.  Raises DatasetError or PerformedRefusal."""
    found = datasets.decode(request.dataset, request.transfer_syntax_uid)
    if not found.faulty_text:
        return found.dataset, ()
    policy = context.site.performed.of_device(request.association.calling_ae_title)
    if Quirk.UNDECODABLE_TEXT not in policy.tolerate:
        raise PerformedRefusal(PerformedFault.INVALID, ("SpecificCharacterSet",), (TAG["SpecificCharacterSet"],))
    return found.dataset, (Toleration(Quirk.UNDECODABLE_TEXT),)


def answer(service: str, request: Request, sop_classes: Collection[str], work: Callable[[], Response]) -> Response:
    """Run ``work`` for a request that names one of ``sop_classes``; each way to fail has its status and is logged."""
    response = _attempt(service, request, sop_classes, work)
    if response.error_comment is not None:
        _log.warning(
            "%s from %s answered 0x%04X: %s",
            service, request.association.calling_ae_title, response.status, response.error_comment,
        )  # fmt: skip
    return response


def _attempt(service: str, request: Request, sop_classes: Collection[str], work: Callable[[], Response]) -> Response:
    if request.sop_class_uid not in sop_classes:
        status = Status.UNRECOGNISED_OPERATION if request.sop_class_uid in SOP_CLASSES else Status.NO_SUCH_SOP_CLASS
        return Response(status, error_comment=f"{service} is not a service of this SOP class")
    try:
        return work()
    except PerformedRefusal as refusal:
        return refused(refusal, service)
    except datasets.DatasetError as error:
        return Response(Status.PROCESSING_FAILURE, error_comment=comment(str(error)))
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
        return comment(refusal.fault.value)
    path = refusal.paths[0]
    last = path.rpartition(">")[2]
    choices = (f"{refusal.fault.value}: {path}", f"{refusal.fault.value}: {last}", last)
    return comment(next((c for c in choices if len(c) <= _COMMENT_LIMIT), last))


def comment(text: str) -> str:
    """At most 64 characters of the default repertoire (LO; PS3.7 Annex C)."""
    return text.encode("ascii", "replace").decode("ascii")[:_COMMENT_LIMIT]
