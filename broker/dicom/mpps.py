"""The MPPS service class: N-CREATE and N-SET (PS3.4 F.7.2), and N-GET of MPPS Retrieve (PS3.4 F.8.2).

Translates between plain requests and the use cases of performed steps; knows no transport and decides no workflow.
"""

from broker.dicom import datasets
from broker.dicom.messages import Request, Response
from broker.dicom.n_services import MPPS, MPPS_RETRIEVE, answer, decoded
from broker.dicom.statuses import Status
from broker.domain.dicom_json import Dataset, key_of
from broker.domain.identifiers import random_uid
from broker.domain.performed_table import TABLE
from broker.services import performed
from broker.services.context import Context

__all__ = ["MPPS", "MPPS_RETRIEVE", "MppsHandler"]

#: what every performed step has, if only without a value (type 2)
_ALWAYS_KEPT = tuple(row.tag for row in TABLE.values() if row.create.startswith("2"))


class MppsHandler:
    """Answers the three services; safe to call from many threads."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, request: Request) -> Response:
        """N-CREATE.  Without an instance UID one is assigned and returned (PS3.7 section 10.1.5.1.3)."""
        uid = request.sop_instance_uid or random_uid()
        return answer("N-CREATE", request, {MPPS}, lambda: self._create(request, uid))

    def set(self, request: Request) -> Response:
        """N-SET."""
        return answer("N-SET", request, {MPPS}, lambda: self._set(request))

    def get(self, request: Request) -> Response:
        """N-GET; an empty attribute list asks for everything.

        PS3.4 F.8.2.1 wants the Retrieve SOP Class named; that under which the instance was made is let pass.
        """
        return answer("N-GET", request, {MPPS_RETRIEVE, MPPS}, lambda: self._get(request))

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
        dataset, tolerated = decoded(self._context, request)
        return performed.PerformedMessage(
            sop_instance_uid=uid,
            dataset=dataset,
            calling_ae_title=request.association.calling_ae_title,
            transfer_syntax_uid=request.transfer_syntax_uid,
            received=request.dataset,
            tolerated=tolerated,
        )


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
