"""What pages and programs may ask about destinations that needs the delivery room: showing what would be sent.

Pages may know neither HL7 nor how destinations are made; whoever puts the broker together hands them a desk.
"""

from typing import Protocol

from broker.domain.notifications import Notification


class DestinationDesk(Protocol):
    """Looks at destinations for people."""

    def preview(self, destination: str, notification: Notification) -> str:
        """What the destination would be sent, by its settings and template as they are now; nothing is sent.

        :raises Refusal: the destination is not known, or this cannot be written for it.
        """
