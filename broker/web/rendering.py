"""Turning templates into pages.  Owns the template environment and its filters; escaping is always on."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from broker.domain.names import display
from broker.domain.states import StepStatus
from broker.services.board import Mark
from broker.services.context import Context
from broker.services.destinations import span
from broker.web import status_words, words
from broker.web.config import WebConfig

FOLDER = Path(__file__).parent
NO_STORE = {"Cache-Control": "no-store"}


def environment(config: WebConfig, context: Context) -> Environment:
    """The environment of all pages: site name, status table, filters for values."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined,
    )  # fmt: skip
    made.globals.update(
        site_name=config.site_name, version=config.version, STATUS=status_words.STATUS, MARK=status_words.MARK,
        looks=status_words, StepStatus=StepStatus, Mark=Mark, hours=words.hours,
    )  # fmt: skip
    made.filters.update(
        age=words.age, sex=words.sex, person=display, other_names=words.other_names, dicom_date=words.dicom_date,
        times=words.times, plural=words.plural, spell=words.spell, at=words.clock(context.site.zone),
        day_words=words.day_words, day_words_time=_day_words_time, span=span,
    )  # fmt: skip
    return made


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A rendered page; nothing of it may be stored by browsers or proxies."""
    shared: Environment = request.app.state.parts.templates
    text = shared.get_template(template).render(values)
    return HTMLResponse(text, status_code=status, headers=NO_STORE)


def _day_words_time(value: datetime, today: date) -> str:
    return f"{words.day_words(value.date(), today)}, {value:%H:%M}"
