"""File destination: one file for each notification, in a folder that another program empties.

Owns the file's name and its atomic appearance.  What stands in the file is given by ``Content``.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from broker.delivery.base import CannotRender
from broker.domain.notifications import Notification, Outcome, Verdict

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Content:
    """What is written: bytes of a notification (``write`` may raise CannotRender), and how the file's name ends."""

    suffix: str
    write: Callable[[Notification], bytes]


class FileDestination:
    """A ``Destination`` that drops files.

    The name begins with the time of the fact and the entry's number, so that names sort in the order of events, and
    ends with the message ID.  A repeat writes the same name again.
    """

    def __init__(self, name: str, folder: Path, content: Content) -> None:
        self._name = name
        self._folder = folder
        self._content = content

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._name

    @property
    def patience(self) -> float:
        """A network folder may take its time."""
        return _PATIENCE

    def deliver(self, notification: Notification) -> Outcome:
        """Write beside, flush to the disk, rename: a reader sees the whole file or none."""
        try:
            data = self._content.write(notification)
        except CannotRender as error:
            return Outcome(Verdict.PARK, f"cannot be written for this destination: {error}")
        name = file_name(notification, self._content.suffix)
        try:
            self._drop(name, data)
        except OSError as error:
            return Outcome(Verdict.RETRY, f"{error.strerror or type(error).__name__}", reachable=False)
        return Outcome(Verdict.DELIVERED, name, summary={"answer": "written"})

    def preview(self, notification: Notification) -> str:
        """Name and content of the file."""
        text = self._content.write(notification).decode("utf-8", "replace").replace("\r", "\n")
        return f"{self._folder / file_name(notification, self._content.suffix)}\n\n{text}"

    def close(self) -> None:
        """Nothing stays open."""

    def interrupt(self) -> None:
        """A write to a disk cannot be interrupted; it ends by itself."""

    def _drop(self, name: str, data: bytes) -> None:
        beside = self._folder / f".{name}.part"
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._folder / name)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def file_name(notification: Notification, suffix: str) -> str:
    """Sorts by entry; holds no patient data."""
    return f"{notification.created_at:%Y%m%dT%H%M%S}-{notification.key:010d}-{notification.message_id}{suffix}"
