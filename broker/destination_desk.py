"""The desk for destinations: what pages are told that only the delivery room knows."""

from collections.abc import Mapping
from typing import Any

from broker import destination_fields
from broker.delivery.base import CannotRender
from broker.delivery.hl7_template_file import TemplateError
from broker.destination_list import DestinationList
from broker.destination_settings import KINDS, DestinationSettings, MppsEventDestination
from broker.destinations import found_problems, make_destination
from broker.domain.errors import Reason, Refusal
from broker.domain.notifications import Notification
from broker.services import added_destinations
from broker.services.context import Context
from broker.services.destination_desk import SetDestination, SettingField, WrongSettings
from broker.settings import Settings


class Desk:
    """The ``DestinationDesk`` of a broker with these settings."""

    def __init__(self, settings: Settings, context: Context, destinations: DestinationList) -> None:
        self._settings = settings
        self._context = context
        self._list = destinations

    def kinds(self) -> Mapping[str, tuple[SettingField, ...]]:
        """By kind, what can be set."""
        return {kind: destination_fields.fields(kind) for kind in KINDS}

    def listed(self) -> list[SetDestination]:
        """Those of the settings file, then those that people added."""
        return self._list.listed()

    def put(self, name: str, settings: Mapping[str, Any], by: str) -> None:
        """Add a destination or change it.  Raises WrongSettings or Refusal."""
        self._refuse_provisioned(name)
        made = self._checked(name, settings)
        added_destinations.put(self._context, name, destination_fields.written(made), by)
        self._list.refresh()

    def _checked(self, name: str, given: Mapping[str, Any]) -> DestinationSettings:
        made = destination_fields.read(name, given)
        wrong = destination_fields.unfit(made)
        if isinstance(made, MppsEventDestination) and not made.host and self._settings.dicom.workers > 1:
            wrong["host"] = "is required while dicom.workers is above 1: the device's line would be in one process only"
        for field, text in () if wrong else found_problems(self._settings, made):
            wrong[field] = f"{wrong[field]}; {text}" if field in wrong else text
        if wrong:
            raise WrongSettings(wrong)
        return made

    def remove(self, name: str, by: str) -> bool:
        """Remove one that people added; False when there is none.  Raises Refusal for one of the settings file."""
        self._refuse_provisioned(name)
        gone = added_destinations.remove(self._context, name, by)
        self._list.refresh()
        return gone

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
        found = self._list.find(name)
        if found is None:
            raise Refusal(Reason.UNKNOWN_KEY, f"there is no destination {name!r}", where="destination")
        return found

    def _refuse_provisioned(self, name: str) -> None:
        if self._list.is_provisioned(name):
            text = f"{name} is in the settings file; change it there and restart the broker"
            raise Refusal(Reason.WRONG_STATE, text, where="name")
