"""The desk for templates of outgoing HL7 messages: tried on a notification, judged, and kept only when it is valid."""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from broker.delivery.base import CannotRender
from broker.delivery.hl7 import render_for
from broker.delivery.hl7_check import check_template, paths_of, sample
from broker.delivery.hl7_message import Profile
from broker.delivery.hl7_template import Template
from broker.delivery.hl7_template_file import TemplateError, load_template, read_template, template_names, template_text
from broker.destination_settings import DestinationSettings
from broker.destinations import template_folders, template_of
from broker.domain.errors import Reason, Refusal
from broker.domain.notifications import Notification
from broker.intake.mapping_lines import write_atomically
from broker.services.template_desk import Rendering, TemplateUse
from broker.settings import Settings
from broker.wiring import EVENTS

_log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Users:
    """Who makes messages by templates: the destinations in force, and how they are made anew with the present ones."""

    destinations: Callable[[], list[DestinationSettings]]
    renew: Callable[[DestinationSettings], None]


class Desk:
    """The ``TemplateDesk`` of a broker with these settings.  A saved template counts at once in this process."""

    def __init__(self, settings: Settings, users: Users) -> None:
        self._folders = template_folders(settings)
        self._zone = ZoneInfo(settings.site.timezone)
        self._users = users

    def listed(self) -> list[TemplateUse]:
        """Every template there is."""
        used = [(template_of(d), d.name) for d in self._users.destinations()]
        own = {path.stem for folder in self._folders for path in folder.glob("*.toml")}
        return [
            TemplateUse(name, name in own, tuple(d for template, d in used if template == name))
            for name in template_names(self._folders)
        ]

    def events(self) -> Sequence[str]:
        """What an invented order may be told of."""
        return [word for word, kind in EVENTS.items() if kind.value.startswith("order.")]

    def can_save(self) -> str:
        """Empty when templates can be saved, else the remedy."""
        if not self._folders:
            return "name a folder for the site's templates in the settings (delivery.templates_dir) and start again"
        return "" if self._folders[0].is_dir() else "the folder of delivery.templates_dir does not exist; make it"

    def text(self, name: str) -> str:
        """The text of the template's own file; empty when there is none."""
        return template_text(name, self._folders) if _NAME.fullmatch(name) else ""

    def look(self, name: str, text: str, event: str, notification: Notification | None = None) -> Rendering:
        """What the text would make."""
        shown = notification or sample(EVENTS.get(event, EVENTS["started"]))
        try:
            template = self._read(name, name, text)
            problems = tuple(check_template(template))
        except TemplateError as error:
            return Rendering(problems=tuple(error.problems))
        paths = tuple(paths_of(template))
        if problems:
            return Rendering(_segments(shown, self._profile(template)), problems, paths)
        try:
            raw = render_for(shown, self._profile(template))
        except CannotRender as error:
            return Rendering((), (str(error),), paths)
        return Rendering(_lines(raw), (), paths)

    def save(self, name: str, text: str) -> None:
        """Keep it and use it from now on."""
        remedy = self.can_save()
        if remedy:
            raise Refusal(Reason.UNSUPPORTED, f"the template was not saved: {remedy}")
        if _NAME.fullmatch(name) is None:
            words = "the template was not saved: name it with small letters, digits, - and _, at most 64"
            raise Refusal(Reason.INVALID_VALUE, words)
        changed = self._changed(name, text)
        try:
            write_atomically(self._folders[0] / f"{name}.toml", text.replace("\r\n", "\n"))
        except OSError as error:
            raise Refusal(Reason.WRONG_STATE, f"the template was not saved: {error.strerror}") from None
        load_template.cache_clear()
        for destination in self._users.destinations():
            if template_of(destination) in changed:
                self._renew(destination)

    def _changed(self, name: str, text: str) -> Collection[str]:
        """The templates in use that this changes.  Raises Refusal when it or one of them would be wrong."""
        problems = self._judged(name, name, text)
        changed = {name}
        for other in {template_of(d) for d in self._users.destinations()} - {name, ""}:
            try:
                before = read_template(other, self._folders)
            except TemplateError:  # nobody can use it as it is
                continue
            found = self._judged(other, name, text)
            if found or self._read(other, name, text) != before:
                changed.add(other)
            problems += found
        if problems:
            raise Refusal(Reason.INVALID_VALUE, "the template was not saved: " + "; ".join(dict.fromkeys(problems)))
        return changed

    def _judged(self, wanted: str, edited: str, text: str) -> list[str]:
        try:
            return check_template(self._read(wanted, edited, text))
        except TemplateError as error:
            return error.problems

    def _read(self, wanted: str, edited: str, text: str) -> Template:
        return read_template(wanted, self._folders, {edited: text.replace("\r\n", "\n")})

    def _profile(self, template: Template) -> Profile:
        return Profile(zone=self._zone, template=template)

    def _renew(self, destination: DestinationSettings) -> None:
        try:
            self._users.renew(destination)
        except (OSError, ValueError, TemplateError) as error:
            _log.error("destination %s keeps its former template: %s", destination.name, error)


def _segments(notification: Notification, profile: Profile) -> tuple[str, ...]:
    """The segments of a message that is not valid, as far as they can be made."""
    try:
        return _lines(render_for(notification, profile))
    except Exception:  # noqa: BLE001 - what is wrong is told by the problems
        return ()


def _lines(raw: bytes) -> tuple[str, ...]:
    return tuple(line for line in raw.decode("utf-8", "replace").split("\r") if line)
