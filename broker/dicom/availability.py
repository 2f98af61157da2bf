"""The Instance Availability Notification service class as its provider: N-CREATE (PS3.4 Annex R).

Translates between plain requests and the use cases of availability; the broker takes the notification, never images.
"""

from broker.dicom.messages import Request, Response
from broker.dicom.n_services import INSTANCE_AVAILABILITY, answer, decoded
from broker.dicom.statuses import Status
from broker.domain.identifiers import random_uid
from broker.services import availability
from broker.services.context import Context


class AvailabilityHandler:
    """Answers N-CREATE; safe to call from many threads."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, request: Request) -> Response:
        """N-CREATE.  Without an instance UID one is assigned and returned (PS3.7 section 10.1.5.1.3)."""
        uid = request.sop_instance_uid or random_uid()
        return answer("N-CREATE", request, {INSTANCE_AVAILABILITY}, lambda: self._create(request, uid))

    def _create(self, request: Request, uid: str) -> Response:
        dataset, tolerated = decoded(self._context, request)
        message = availability.NoticeMessage(
            uid, dataset, request.association.calling_ae_title, request.transfer_syntax_uid, request.dataset, tolerated
        )
        availability.take(self._context, message)
        return Response(Status.SUCCESS, sop_instance_uid=uid)
