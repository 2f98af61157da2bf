"""The settings of one device: read from typed values (settings file, REST) or plain text (CSV, forms), and checked.

Owns the one list of what can be set about a device, in words.  Must not: know where a value came from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broker.domain.attributes import ROOT_LEVEL, STEP_LEVEL
from broker.domain.devices import ASCII, LEAST, DeviceProfile
from broker.domain.errors import Reason, Refusal
from broker.domain.fitting import TooLong
from broker.domain.states import OPEN, StepStatus
from broker.domain.treatment import Treatment
from broker.domain.worklist_item import TYPE_1_ROOT, TYPE_1_STEP

#: values of Specific Character Set (PS3.3 Tables C.12-2 to C.12-5)
CHARSETS = frozenset(
    {
        "", *(f"ISO_IR {n}" for n in (6, 13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192)),
        "GB18030", "GBK",
        *(f"ISO 2022 IR {n}" for n in (6, 13, 58, 87, 100, 101, 109, 110, 126, 127, 138, 144, 148, 149, 159, 166)),
    }
)  # fmt: skip
_TELLABLE = ("SCHEDULED", "ARRIVED", "READY", "STARTED")
_LINGERING = tuple(sorted(s.value for s in OPEN))
_TYPE_1 = frozenset((*TYPE_1_ROOT, *TYPE_1_STEP))


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set: its name, its meaning for people, and how its value is read."""

    name: str
    words: str
    read: Callable[[Any], Any]


def _refusal(text: str) -> Refusal:
    return Refusal(Reason.INVALID_VALUE, text)


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(";") if isinstance(value, str) else value
    if not isinstance(parts, Sequence) or not all(isinstance(p, str) for p in parts):
        raise _refusal('a list of texts is expected; in CSV and forms with ";" between them')
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(k): str(v) for k, v in value.items()}
    found = {}
    for part in _texts(value):
        name, separator, text = part.partition("=")
        if not separator:
            raise _refusal('pairs are expected, such as "STARTED=30"; in CSV and forms with ";" between them')
        found[name.strip()] = text.strip()
    return found


def _titles(value: Any) -> tuple[str, ...]:
    titles = _texts(value)
    for title in titles:
        if len(title) > 16 or not title.isascii() or not title.isprintable() or "\\" in title:
            raise _refusal("AE titles have 1 to 16 ASCII characters and no backslash")
    return titles


def _flag(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "": False}
    found = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if found is None:
        raise _refusal("true or false is expected")
    return found


def _number(value: Any, least: float = 0) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _refusal("a number is expected") from None
    if not least <= number < 10_000_000:
        raise _refusal(f"the number is not in its range, from {least:g}")
    return number


def _whole(value: Any) -> int:
    number = _number(value or 0)
    if number != int(number):
        raise _refusal("a whole number is expected")
    return int(number)


def _max_pdu(value: Any) -> int:
    size = _whole(value)
    if size and not 4096 <= size <= 131072:
        raise _refusal("0, or 4096 to 131072 bytes")
    return size


def _charset(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else None
    if text is None or (text not in (LEAST, ASCII) and not {p.strip() for p in text.split("\\")} <= CHARSETS):
        raise _refusal(f'"{LEAST}", "{ASCII}" or a Specific Character Set such as "ISO_IR 100" is expected')
    return text


def _statuses(value: Any) -> frozenset[StepStatus] | None:
    names = _texts(value)
    if not set(names) <= set(_TELLABLE):
        raise _refusal(f"each is one of {', '.join(_TELLABLE)}")
    return frozenset(StepStatus(name) for name in names) or None


def _grace(value: Any) -> tuple[tuple[StepStatus, float], ...]:
    pairs = _pairs(value)
    if not set(pairs) <= set(_LINGERING):
        raise _refusal(f"minutes for {', '.join(_LINGERING)} are expected, such as STARTED = 30")
    return tuple((StepStatus(name), _number(minutes)) for name, minutes in sorted(pairs.items()))


def _window(value: Any) -> tuple[float, float] | None:
    parts = _texts(value) if isinstance(value, str) else value
    if not parts:
        return None
    if not isinstance(parts, Sequence) or len(parts) != 2:
        raise _refusal("two numbers are expected: hours before and after now, such as [12, 36]")
    return _number(parts[0]), _number(parts[1])


def _keywords(value: Any) -> frozenset[str]:
    keywords = _texts(value)
    for keyword in keywords:
        _known(keyword)
        if keyword in _TYPE_1:
            raise _refusal(f"{keyword} is required in every answer (type 1) and cannot be left out")
    return frozenset(keywords)


def _known(keyword: str) -> None:
    if keyword not in ROOT_LEVEL and keyword not in STEP_LEVEL:
        raise _refusal(f"{keyword} is no attribute of the worklist; `broker conformance` lists them")


def _rename(value: Any) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(value)
    for to, source in pairs.items():
        for keyword in (to, source):
            _known(keyword)
        kinds = {(STEP_LEVEL.get(k) or ROOT_LEVEL[k]).vr for k in (to, source)}
        if kinds & {"SQ", "US", "UI", "DA", "TM", "PN"} and len(kinds) > 1:
            raise _refusal(f"{to} cannot be sent with the value of {source}: they are of different kinds")
    return tuple(sorted(pairs.items()))


def _clip(value: Any) -> tuple[tuple[str, int], ...]:
    found = []
    for keyword, length in sorted(_pairs(value).items()):
        _known(keyword)
        if (STEP_LEVEL.get(keyword) or ROOT_LEVEL[keyword]).vr not in ("LO", "LT", "PN", "SH", "ST", "UT"):
            raise _refusal(f"{keyword} is no text and cannot be cut")
        found.append((keyword, int(_number(length, 1))))
    return tuple(found)


def _too_long(value: Any) -> TooLong:
    try:
        return TooLong(value or TooLong.CUT)
    except ValueError:
        raise _refusal(f"one of {', '.join(TooLong)} is expected") from None


SETTINGS: tuple[Setting, ...] = (
    Setting("stations", "Station AE titles it serves, when it asks for none or for its own title", _titles),
    Setting("own_station", "Without stations: its own AE title is its station", _flag),
    Setting("modalities", "Modalities it gets, when it asks for none", _texts),
    Setting("locations", "Procedure step locations it gets, when it asks for none", _texts),
    Setting("window", "Hours before and after now, when it asks for no day, patient or order", _window),
    Setting("shown", "Statuses it sees; none: as the site", _statuses),
    Setting("grace", "Minutes a step stays on its list in another status, such as STARTED=30", _grace),
    Setting("limit", "Most items per query; 0: as the site", _whole),
    Setting("charset", "Character set of answers: least, ascii or a fixed one; empty: as the request says", _charset),
    Setting("warn_unsupported", "Answer FF01 when a key is not supported", _flag),
    Setting("ignore_case", "Compare numbers, codes and titles without regard to case", _flag),
    Setting("exact_names", "Compare names with case and accents", _flag),
    Setting("strip", "Attributes that are never sent", _keywords),
    Setting(
        "rename",
        "Attributes sent with the value of another, such as MedicalAlerts=Allergies",
        _rename,
    ),
    Setting("clip", "Most characters of a text, such as RequestedProcedureDescription=32", _clip),
    Setting("too_long", "Values longer than allowed: cut, whole or withhold (the item)", _too_long),
    Setting("max_pdu", "Largest PDU it is sent, in bytes; 0: as it says", _max_pdu),
)
NAMES = tuple(setting.name for setting in SETTINGS)
_TREATMENT = frozenset({"strip", "rename", "clip", "too_long"})


def profile_of(ae_title: str, given: Mapping[str, Any]) -> DeviceProfile:
    """The profile that these settings make; settings that are not given have their defaults.

    :raises Refusal: a setting is unknown or its value wrong; ``where`` names it.
    """
    for name in given:
        if name not in NAMES:
            raise Refusal(Reason.UNKNOWN_KEY, f"there is no such device setting; {', '.join(NAMES)} are", where=name)
    read: dict[str, Any] = {}
    for setting in SETTINGS:
        if setting.name in given and given[setting.name] is not None:
            try:
                read[setting.name] = setting.read(given[setting.name])
            except Refusal as refusal:
                raise Refusal(refusal.reason, refusal.text, where=setting.name) from None
    treatment = Treatment(**{name: read.pop(name) for name in _TREATMENT & set(read)})
    return DeviceProfile(ae_title=ae_title, treatment=treatment, **read)


def settings_of(profile: DeviceProfile) -> dict[str, Any]:
    """The settings of a profile as plain values, for JSON and forms; those with their defaults are left out."""
    usual = DeviceProfile(profile.ae_title)
    found = {name: _of(profile, name) for name in NAMES if _of(profile, name) != _of(usual, name)}
    return {name: _plain(value) for name, value in found.items()}


def written(value: Any) -> str:
    """A plain setting as text for forms and CSV; what ``profile_of`` reads back."""
    if isinstance(value, Mapping):
        return ";".join(f"{k}={written(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ";".join(written(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of(profile: DeviceProfile, name: str) -> Any:
    return getattr(profile.treatment if name in _TREATMENT else profile, name)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        pairs = value and all(isinstance(v, tuple) for v in value)
        return {str(k): v for k, v in value} if pairs else list(value)
    return str(value) if isinstance(value, TooLong) else value
