"""All service classes behind one acceptor: the worklist, MPPS, and notifications of images."""

from collections.abc import Iterator
from dataclasses import dataclass

from broker.dicom.availability import AvailabilityHandler
from broker.dicom.messages import Request, Response
from broker.dicom.mpps import MppsHandler
from broker.dicom.n_services import INSTANCE_AVAILABILITY
from broker.dicom.worklist import WorklistHandler


@dataclass(frozen=True, slots=True)
class BrokerHandlers:
    """The ``Handlers`` of the broker."""

    worklist: WorklistHandler
    mpps: MppsHandler
    availability: AvailabilityHandler

    def find_at_once(self, request: Request) -> tuple[Response, ...] | None:
        """C-FIND that needs no waiting, or None."""
        return self.worklist.find_at_once(request)

    def find(self, request: Request) -> Iterator[Response]:
        """C-FIND on the worklist."""
        return self.worklist.find(request)

    def create(self, request: Request) -> Response:
        """N-CREATE of a performed procedure step, or of a notification of images."""
        if request.sop_class_uid == INSTANCE_AVAILABILITY:
            return self.availability.create(request)
        return self.mpps.create(request)

    def set(self, request: Request) -> Response:
        """N-SET of a performed procedure step."""
        return self.mpps.set(request)

    def get(self, request: Request) -> Response:
        """N-GET of a performed procedure step."""
        return self.mpps.get(request)
