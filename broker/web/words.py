"""Values as people read them: times, ages, sexes, counts.  Used by templates as filters; no markup here."""

import re
from collections.abc import Callable
from datetime import date, datetime, tzinfo

from broker.domain.names import component_groups, display

_WORDS = re.compile(r"IDs|UIDs|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SEX = {"M": "M", "F": "F", "O": "other"}


#: what people call the modalities of Defined Terms (0008,0060), PS3.3 C.7.3.1.1.1
MODALITIES = {
    "CR": "Computed radiography", "CT": "Computed tomography", "DX": "Digital radiography", "ES": "Endoscopy",
    "IO": "Intra-oral radiography", "MG": "Mammography", "MR": "Magnetic resonance", "NM": "Nuclear medicine",
    "OP": "Ophthalmic photography", "OT": "Other", "PT": "PET", "PX": "Panoramic X-ray", "RF": "Fluoroscopy",
    "BMD": "Bone densitometry", "ECG": "Electrocardiography", "US": "Ultrasound", "XA": "Angiography",
    "XC": "Photography",
}  # fmt: skip


def age(birth_date: str, on: date) -> str:
    """Age at a day as wards write it: days below a month, months below two years, then years; empty when unknown."""
    try:
        born = datetime.strptime(birth_date, "%Y%m%d").date()
    except ValueError:
        return ""
    if born > on:
        return ""
    months = (on.year - born.year) * 12 + on.month - born.month - (on.day < born.day)
    if months < 1:
        return f"{(on - born).days} d"
    return f"{months} mo" if months < 24 else f"{months // 12} y"


def sex(value: str) -> str:
    """Patient's Sex in a word short enough for a list; empty when unknown."""
    return _SEX.get(value, "")


def day_words(value: date, today: date) -> str:
    """A day as people name it: weekday, day, month and year, with Today, Tomorrow or Yesterday in front."""
    near = {0: "Today, ", 1: "Tomorrow, ", -1: "Yesterday, "}.get((value - today).days, "")
    return f"{near}{value:%A} {value.day} {value:%B %Y}"


def dicom_date(value: str) -> str:
    """YYYYMMDD as 2026-07-09; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}" if len(value) == 8 and value.isdigit() else value


def other_names(name: str) -> list[str]:
    """The ideographic and phonetic forms beside the one that ``display`` shows."""
    shown = display(name)
    return [form for group in component_groups(name)[1:] if (form := display(group)) and form != shown]


def times(number: int) -> str:
    """once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def hours(minutes: int) -> str:
    """A length as people say it: ``45 minutes``, ``3 hours``, ``1.5 hours``."""
    if minutes < 60:
        return plural(minutes, "minute")
    return f"{minutes / 60:.1f}".removesuffix(".0") + (" hour" if minutes == 60 else " hours")


def plural(number: int, singular: str, many: str = "") -> str:
    """``1 step``, ``2 steps``."""
    return f"{number} {singular if number == 1 else many or singular + 's'}"


def spell(keyword: str) -> str:
    """A DICOM keyword as words: ``PatientBirthDate`` to ``Patient birth date``; abbreviations stay as they are."""
    words = _WORDS.findall(keyword)
    return " ".join([words[0], *(w if w[:2].isupper() else w.lower() for w in words[1:])]) if words else keyword


def clock(zone: tzinfo) -> Callable[[datetime, str], str]:
    """A filter that shows an instant as local time at the site in a strftime format."""
    return lambda at, form: at.astimezone(zone).strftime(form)
