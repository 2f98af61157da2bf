"""The device registry as a CSV file: one device a line, the columns named as the settings of a device.

Every problem is told at once, with line and column.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from broker.domain.device_settings import NAMES, profile_of
from broker.domain.devices import DeviceProfile
from broker.domain.errors import Reason, Refusal
from broker.settings_source import Problem, SettingsError

_TITLE = "ae_title"


def load_devices(path: Path) -> list[DeviceProfile]:
    """The devices of the file.

    :raises SettingsError: it cannot be read, or lines are wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError([Problem(str(path), "", f"{error.strerror}; check dicom.devices")]) from None
    except UnicodeDecodeError:
        raise SettingsError([Problem(str(path), "", "is not UTF-8 text")]) from None
    rows = csv.DictReader(text.splitlines(), strict=True)
    problems = _headings(path, rows.fieldnames or [])
    found: dict[str, DeviceProfile] = {}
    for number, row in [] if problems else _numbered(path, rows):
        try:
            profile = _device({k: v or "" for k, v in row.items() if k is not None}, extra=row.get(None))
        except Refusal as refusal:
            problems.append(Problem(str(path), f"line {number}, {refusal.where}", refusal.text))
            continue
        if profile.ae_title in found:
            problems.append(Problem(str(path), f"line {number}, {_TITLE}", f"{profile.ae_title!r} is listed twice"))
        found[profile.ae_title] = profile
    if problems:
        raise SettingsError(problems)
    return list(found.values())


def _numbered(path: Path, rows: "csv.DictReader[str]") -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    """Each row with its line; empty lines are none.

    :raises SettingsError: a quotation mark without its partner.
    """
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise SettingsError([Problem(str(path), f"line {rows.reader.line_num}", f"no CSV: {error}")]) from None


def _headings(path: Path, names: Sequence[str]) -> list[Problem]:
    if _TITLE not in names:
        columns = f"a column {_TITLE} is expected, cells separated by commas; the others: {', '.join(NAMES)}"
        return [Problem(str(path), "line 1", columns)]
    wrong = [name for name in names if name not in (_TITLE, *NAMES)]
    return [Problem(str(path), f"line 1, {n}", f"there is no such column; {', '.join(NAMES)} are") for n in wrong]


def _device(row: dict[str, str], extra: object) -> DeviceProfile:
    if extra:
        raise Refusal(
            Reason.INVALID_VALUE, "more cells than columns; put texts with commas into quotes", where="the end"
        )
    title = row.pop(_TITLE).strip()
    if not 0 < len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise Refusal(Reason.INVALID_VALUE, "1 to 16 ASCII characters and no backslash are expected", where=_TITLE)
    return profile_of(title, {name: value for name, value in row.items() if value.strip()})
