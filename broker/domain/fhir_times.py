"""Dates and times of orders and exams as FHIR writes them; local wall time gets the offset of its zone."""

import re
from datetime import datetime, tzinfo

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


def date(value: str) -> str:
    """YYYYMMDD as a FHIR date; empty when it is none."""
    found = _DATE.fullmatch(value)
    if found is None:
        return ""
    try:
        return datetime(*map(int, found.groups())).date().isoformat()  # type: ignore[arg-type]
    except ValueError:
        return ""


def local(day: str, time: str, zone: tzinfo) -> str:
    """DICOM date and time (DA and TM) at a place as a FHIR dateTime: a date alone when there is no time."""
    plain = date(day)
    digits = time.partition(".")[0].replace(":", "")
    if not plain or not re.fullmatch(r"\d{2}(\d{2}){0,2}", digits):
        return plain
    try:
        wall = datetime.strptime(f"{day}{digits.ljust(6, '0')}", "%Y%m%d%H%M%S")
    except ValueError:
        return plain
    return wall.replace(tzinfo=zone).isoformat()


def stamp(value: str, zone: tzinfo) -> str:
    """YYYYMMDDHHMMSS, or what there is of it, as a FHIR dateTime."""
    return local(value[:8], value[8:], zone)
