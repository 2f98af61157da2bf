"""The desk for destinations: what pages are told that only the delivery room knows."""

from broker.delivery.base import CannotRender
from broker.delivery.hl7_template_file import TemplateError
from broker.destination_settings import DestinationSettings
from broker.destinations import make_destination
from broker.domain.errors import Reason, Refusal
from broker.domain.notifications import Notification
from broker.services.context import Context
from broker.settings import Settings


class Desk:
    """The ``DestinationDesk`` of a broker with these settings."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def preview(self, destination: str, notification: Notification) -> str:
        """What the destination would be sent.  Raises Refusal."""
        wanted = self._found(destination)
        try:
            return make_destination(self._settings, wanted, self._context).preview(notification)
        except CannotRender as error:
            raise Refusal(Reason.INVALID_VALUE, str(error), where=destination) from None
        except TemplateError as error:
            raise Refusal(Reason.INVALID_VALUE, "; ".join(error.problems), where=destination) from None
        except OSError as error:
            text = f"a file of the destination cannot be read: {error.strerror or type(error).__name__}"
            raise Refusal(Reason.INVALID_VALUE, text, where=destination) from None

    def _found(self, name: str) -> DestinationSettings:
        found = next((d for d in self._settings.destinations if d.name == name), None)
        if found is None:
            raise Refusal(Reason.UNKNOWN_KEY, f"there is no destination {name!r}", where="destination")
        return found
