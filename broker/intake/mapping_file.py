"""Reading mapping files: TOML in, a ``SenderMapping`` out, or every problem at once with file, line, key and remedy.

Owns: the file format.  Must not: evaluate mappings.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.domain.attributes import TABLE, VR_LIMITS, Attribute, Level
from broker.domain.model import OrderControl
from broker.intake.conversions import CONVERSIONS
from broker.intake.lengths import LongPolicy
from broker.intake.mapping_checks import is_control_key, table_fault, value_fault
from broker.intake.pieces import Source, parse_condition
from broker.intake.rules import IDENTITY, Missing, Rule, SenderMapping, actions_of
from broker.shipped import config_folder
from hl7.paths import parse_path

_TOP = {"extends", "local_scheme", "primary_authorities", "default_issuer", "order_control", "attributes", "tables"}
_RULE = {"from", "as", "missing", "default", "long", "gather", "follows", "unusable"}
_SOURCE = {"path", "value", "where", "after", "weak", "unit"}
_CONTROL = {*OrderControl, "ignore", "refuse"}
_LONG = {"UI": LongPolicy.REFUSE, "AE": LongPolicy.KEEP}


class MappingError(Exception):
    """A mapping cannot be used; ``problems`` says all of it, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass
class _Reader:
    """Collects problems of one file."""

    path: Path
    text: str
    problems: list[str] = field(default_factory=list)

    def wrong(self, key: str, text: str) -> None:
        self.problems.append(f"{self.path}{self._line(key)}: {key}: {text}")

    def _line(self, key: str) -> str:
        last = re.escape(key.rsplit(".", 1)[-1])
        pattern = re.compile(rf'^\s*(\[.*)?"?{last}"?\s*[\]=.]')
        for number, line in enumerate(self.text.splitlines(), 1):
            if pattern.match(line):
                return f":{number}"
        return ""


@dataclass(frozen=True)
class _Files:
    """The files a mapping was put together from, the extending one first: a problem is one of whoever wrote the key."""

    readers: list[_Reader]

    def wrong(self, key: str, text: str) -> None:
        section, _, name = key.partition(".")
        for reader in self.readers:
            own = _parsed(reader).get(section)
            if own is not None and (not name or (isinstance(own, dict) and name in own)):
                break
        else:
            reader = self.readers[0]
        reader.wrong(key, text)


def load_mapping(
    name: str, folders: tuple[Path, ...] = (), edited: Mapping[str, str] | None = None, order_status: Path | None = None
) -> SenderMapping:
    """Load the mapping ``name`` (a file ``name.toml`` in one of ``folders``, else a shipped one).

    ``edited`` holds texts, by name, that count instead of their files; ``order_status`` is the order control table of
    the site, the shipped one when not given.
    Raises MappingError with every problem of the file and those it extends.
    """
    document: dict[str, Any] = {}
    table = _read(order_status or config_folder() / "order_status.toml")
    readers: list[_Reader] = []
    _overlay(document, _order_status(table), table)
    _collect(name, mapping_files(folders, edited), document, readers, ())
    readers.append(table)
    problems = [problem for reader in readers for problem in reader.problems]
    mapping = None if problems else _build(name, document, _Files(readers))
    problems = [problem for reader in readers for problem in reader.problems]
    if problems or mapping is None:
        raise MappingError(problems)
    return mapping


@dataclass(frozen=True)
class MappingFiles:
    """Where mapping texts come from: what is being edited, else the first folder that has the file."""

    folders: tuple[Path, ...]
    edited: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """The text of a mapping's own file; None when there is no such mapping."""
        reader = self.reader(name)
        return None if reader is None else reader.text

    def reader(self, name: str) -> _Reader | None:
        """The text of a mapping, with its path for problems; None when there is no such mapping."""
        path = next((f / f"{name}.toml" for f in self.folders if (f / f"{name}.toml").is_file()), None)
        if name in self.edited:
            return _Reader(path or Path(f"{name}.toml"), self.edited[name])
        return None if path is None else _Reader(path, path.read_text(encoding="utf-8"))


def mapping_files(folders: tuple[Path, ...], edited: Mapping[str, str] | None = None) -> MappingFiles:
    """The site's folders, then the shipped mappings."""
    return MappingFiles((*folders, config_folder() / "mappings"), edited or {})


def _collect(
    name: str, files: MappingFiles, document: dict[str, Any], readers: list[_Reader], seen: tuple[str, ...]
) -> None:
    """Read ``name`` and what it extends; the extending file wins, key by key."""
    reader = files.reader(name)
    if reader is None:
        place = readers[-1].path if readers else Path(f"{name}.toml")
        raise MappingError([f"{place}: no mapping {name!r} in {', '.join(str(f) for f in files.folders)}"])
    path = reader.path
    if name in seen:
        raise MappingError([f"{path}: extends: {' -> '.join((*seen, name))} goes in a circle; remove one"])
    readers.append(reader)
    own = _parsed(reader)
    for key in own.keys() - _TOP:
        reader.wrong(key, f"unknown; known are {', '.join(sorted(_TOP))}")
    base = own.pop("extends", None)
    if isinstance(base, str):
        _collect(base, files, document, readers, (*seen, name))
    elif base is not None:
        reader.wrong("extends", "write the name of a mapping, without .toml")
    _overlay(document, own, reader)


def _read(path: Path) -> _Reader:
    try:
        return _Reader(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError([f"{path}: cannot be read ({type(error).__name__})"]) from error


def _parsed(reader: _Reader) -> dict[str, Any]:
    try:
        return tomllib.loads(reader.text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError([f"{reader.path}: not readable as TOML: {error}"]) from error


def _order_status(reader: _Reader) -> dict[str, Any]:
    """The order control table, and nothing else beside it."""
    own = _parsed(reader)
    for key in own.keys() - {"order_control"}:
        reader.wrong(key, "unknown; this file holds one table, [order_control]")
    return {"order_control": own.get("order_control", {})}


def _overlay(document: dict[str, Any], own: Mapping[str, Any], reader: _Reader) -> None:
    for key, value in own.items():
        if key not in ("attributes", "order_control", "tables"):
            document[key] = value
        elif not isinstance(value, dict):
            reader.wrong(key, f"write a table [{key}]")
        elif key == "tables":
            for table, entries in value.items():
                if isinstance(entries, dict):
                    document.setdefault(key, {}).setdefault(table, {}).update(entries)
                else:
                    reader.wrong(f"tables.{table}", f"write a table [tables.{table}]")
        else:
            document.setdefault(key, {}).update(value)


def _build(name: str, document: Mapping[str, Any], reader: _Files) -> SenderMapping:
    rules: dict[Level, list[Rule]] = {level: [] for level in Level}
    for keyword, written in document.get("attributes", {}).items():
        rule = _rule(keyword, written, reader)
        if rule is not None:
            rules[rule.level].append(rule)
    authorities = document.get("primary_authorities", [])
    if not isinstance(authorities, list) or not all(isinstance(a, str) for a in authorities):
        reader.wrong("primary_authorities", 'write a list of assigning authorities, e.g. ["HOSP"]')
        authorities = []
    return SenderMapping(
        name=name,
        rules={level: tuple(sorted(found, key=lambda r: bool(r.follows))) for level, found in rules.items()},
        order_control=_order_control(document.get("order_control", {}), reader),
        tables=_tables(document.get("tables", {}), reader),
        local_scheme=_scheme(document.get("local_scheme", "99LOCAL"), reader),
        primary_authorities=tuple(authorities),
        default_issuer=_text("default_issuer", document.get("default_issuer", ""), reader),
    )


def _text(key: str, value: object, reader: _Files) -> str:
    if not isinstance(value, str):
        reader.wrong(key, "write a text in quotes")
        return ""
    return value


def _scheme(written: object, reader: _Files) -> str:
    text = _text("local_scheme", written, reader)
    if not 0 < len(text) <= 16:
        reader.wrong("local_scheme", "write 99 and a name of the site, at most 16 characters in all")
    return text


def _order_control(written: Mapping[str, Any], reader: _Files) -> dict[tuple[str, str], str]:
    table = {}
    for key, effect in written.items():
        control, _, status = key.upper().partition(" ")
        found = actions_of(effect) if isinstance(effect, str) else []
        if not found or not {*found} <= _CONTROL or (len(found) > 1 and {*found} & {"ignore", "refuse"}):
            reader.wrong(f"order_control.{key}", f"{effect!r} is unknown; known are {', '.join(sorted(_CONTROL))}")
        if not is_control_key(key.upper()):
            reader.wrong(f"order_control.{key}", 'write ORC-1, or ORC-1, a blank and ORC-5: NW, "SC CM", "CA *"')
        table[control, status.strip()] = str(effect)
    return table


def _tables(written: Mapping[str, Any], reader: _Files) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for name, entries in written.items():
        if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
            reader.wrong(f"tables.{name}", 'write a table of texts: HL7 value = "DICOM value"')
            continue
        fault = table_fault(name, entries)
        if fault:
            reader.wrong(f"tables.{name}", fault)
        tables[name] = {key.casefold(): value for key, value in entries.items()}
    return tables


def _rule(keyword: str, written: object, reader: _Files) -> Rule | None:
    key = f"attributes.{keyword}"
    attribute = TABLE.get(keyword)
    if attribute is None:
        reader.wrong(key, "no attribute of a worklist item has this keyword (PS3.4 Table K.6-1)")
        return None
    if not isinstance(written, dict):
        reader.wrong(key, 'write { from = ["PID-5"], as = "patient_name" }')
        return None
    for unknown in written.keys() - _RULE:
        reader.wrong(key, f"{unknown!r} is unknown; known are {', '.join(sorted(_RULE))}")
    sources = _sources(key, keyword, attribute, written, reader)
    conversion = str(written.get("as", "identifier" if keyword in IDENTITY else "text"))
    known = CONVERSIONS.get(conversion)
    if known is None:
        reader.wrong(key, f"as = {conversion!r} is unknown; known are {', '.join(sorted(CONVERSIONS))}")
        return None
    if attribute.vr not in known.representations:
        fitting = sorted(n for n, c in CONVERSIONS.items() if attribute.vr in c.representations)
        reader.wrong(key, f"as = {conversion!r} makes no {attribute.vr}; use one of {', '.join(fitting)}")
    follows = str(written.get("follows", ""))
    if follows:
        _check_follower(key, attribute, follows, written, reader)
    if not isinstance(written.get("gather", False), bool):
        reader.wrong(key, "gather is true or false, without quotes")
    missing, default = _missing(key, keyword, attribute, written, reader)
    unusable = written.get("unusable", "refuse" if keyword in IDENTITY else "omit")
    if unusable not in ("refuse", "omit"):
        reader.wrong(key, f"unusable = {unusable!r} is unknown; known are refuse, omit")
    return Rule(
        keyword, attribute.level, sources, known.convert, conversion, missing, default,
        long=_long(key, attribute, written, reader), limit=_limit(attribute), multiple=attribute.multiple,
        is_sequence=attribute.is_sequence, gather=written.get("gather") is True, follows=follows,
        strict=unusable == "refuse", reads_whole=known.whole, beside=known.beside,
    )  # fmt: skip


def _sources(
    key: str, keyword: str, attribute: Attribute, written: Mapping[str, Any], reader: _Files
) -> tuple[Source, ...]:
    listed = written.get("from", [])
    if not isinstance(listed, list):
        reader.wrong(key, 'from takes a list, also of one source: from = ["PID-5"]')
        return ()
    sources = tuple(s for s in (_source(key, one, reader) for one in listed) if s is not None)
    for source in sources:
        if source.path is not None:
            continue
        fault = value_fault(attribute, source.value)
        if keyword in IDENTITY:
            fault = "a constant cannot identify anything; name the field that holds the identifier"
        if fault:
            reader.wrong(key, fault)
    return sources


def _check_follower(key: str, attribute: Attribute, follows: str, written: Mapping[str, Any], reader: _Files) -> None:
    leader = TABLE.get(follows)
    if leader is None:
        reader.wrong(key, f"follows = {follows!r} names no attribute")
    elif leader.level is not attribute.level:
        reader.wrong(key, f"follows = {follows!r} is of another level ({leader.level}); name one of {attribute.level}")
    if "from" in written:
        reader.wrong(key, "either from or follows: a follower is read from where its leader was")


def _limit(attribute: Attribute) -> int:
    """PN is limited per component group, by its conversion; dates and tables cannot be too long."""
    return VR_LIMITS.get(attribute.vr, 0) if attribute.vr in ("AE", "CS", "LO", "LT", "SH", "ST", "UI") else 0


def _missing(
    key: str, keyword: str, attribute: Attribute, written: Mapping[str, Any], reader: _Files
) -> tuple[Missing, str]:
    if "default" in written:
        possible = "missing" not in written and keyword not in IDENTITY and not attribute.is_sequence
        if not possible or not isinstance(written["default"], str):
            reader.wrong(key, "default takes a text, without missing, and not for identifiers or sequences")
        elif fault := value_fault(attribute, written["default"]):
            reader.wrong(key, fault)
        return Missing.DEFAULT, str(written["default"])
    policy = written.get("missing", "omit")
    allowed = {"omit", "require"}
    allowed |= {"generate"} if keyword in IDENTITY else set()
    allowed |= {"now"} if attribute.vr in ("DA", "TM") else set()
    if policy not in allowed:
        reader.wrong(key, f"missing = {policy!r} is not possible here; possible are {', '.join(sorted(allowed))}")
        return Missing.OMIT, ""
    return Missing(policy), ""


def _long(key: str, attribute: Attribute, written: Mapping[str, Any], reader: _Files) -> LongPolicy:
    usual = LongPolicy.REFUSE if attribute.keyword in IDENTITY else _LONG.get(attribute.vr, LongPolicy.CUT)
    policy = written.get("long", usual.value)
    allowed = {"refuse", "keep"} if attribute.keyword in IDENTITY or attribute.vr in _LONG else {*LongPolicy}
    if not attribute.multiple:
        allowed -= {"split"}
    if policy not in allowed:
        reader.wrong(key, f"long = {policy!r} is not possible here; possible are {', '.join(sorted(allowed))}")
        return usual
    return LongPolicy(policy)


def _source(key: str, written: object, reader: _Files) -> Source | None:
    try:
        if isinstance(written, str):
            return Source(parse_path(written))
        if not isinstance(written, dict):
            raise ValueError('write a path such as "PID-5", or { path = "NTE*-3", after = "PID" }')
        for unknown in written.keys() - _SOURCE:
            raise ValueError(f"{unknown!r} is unknown in a source; known are {', '.join(sorted(_SOURCE))}")
        if ("path" in written) == ("value" in written):
            raise ValueError("a source has either a path or a value")
        unit = parse_path(written["unit"]).field if "unit" in written else 0
        where = parse_condition(written["where"]) if "where" in written else None
        path = parse_path(written["path"]) if "path" in written else None
        return Source(
            path, str(written.get("value", "")), where, str(written.get("after", "")), written.get("weak") is True, unit
        )
    except (ValueError, TypeError) as error:
        reader.wrong(key, str(error))
        return None
