"""Logging, set up once.  One line an event, to standard error; contents of messages and datasets are never logged."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
#: libraries that log identifiers, requests or statements at levels people use: only their warnings pass
_QUIET = ("pynetdicom", "pydicom", "sqlalchemy", "alembic", "apscheduler", "uvicorn", "asyncio")


#: control characters, line ends of Unicode and marks of direction: what makes a line look like another, or like two
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class TextLines(logging.Formatter):
    """One line an event, whatever a peer has put into its names; the lines of a traceback are indented."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        """The line, with what cannot be seen written out: ``\\n`` or ``\\u2028``."""
        return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802 - the name is logging's
        """The traceback, none of whose lines begins as an event does."""
        return "\n".join(f"  {line}" for line in super().formatException(ei).splitlines())  # type: ignore[arg-type]


class JsonLines(logging.Formatter):
    """One JSON object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """``time``, ``level``, ``logger``, ``message``, and ``error`` with the traceback when there is one."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def setup(level: str, form: str) -> None:
    """Log at ``level`` ("debug" .. "error") as ``form`` ("text" or "json"), replacing what was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
