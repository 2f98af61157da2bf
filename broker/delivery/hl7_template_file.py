"""Reading template files: TOML in, a ``Template`` out, or every problem at once with file, key and remedy.

Owns the file format: ``extends``, ``message``, ``version``, ``layout``, ``[codes]`` and ``[segments.NAME]``.  A
template that extends another overrides it key by key; ``false`` takes a field away.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from broker.delivery.hl7_template import Components, Each, Group, Literal, SegmentTemplate, Source, Spec, Template
from broker.delivery.hl7_values import CONVERSIONS, LEAVES
from broker.delivery.order_status import STATUS_CODES, StatusCodes
from broker.domain.model import FactKind
from broker.shipped import config_folder
from hl7.validation import VERSIONS

DEFAULT_TEMPLATE = "orm-o01"
_TOP = {"extends", "message", "version", "layout", "codes", "segments"}
_CODES = {"order_control", "order_status", "result_status"}


class TemplateError(Exception):
    """A template cannot be used; ``problems`` says all of it, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def template_names(folders: tuple[Path, ...] = ()) -> list[str]:
    """Every template there is, by name."""
    return sorted({path.stem for folder in _places(folders) for path in folder.glob("*.toml")})


def template_text(name: str, folders: tuple[Path, ...] = ()) -> str:
    """The text of the template's own file; empty when there is none."""
    path = _file(name, folders)
    return path.read_text(encoding="utf-8") if path is not None else ""


@lru_cache(maxsize=64)
def load_template(name: str, folders: tuple[Path, ...] = ()) -> Template:
    """Load the template ``name`` (``name.toml`` in one of ``folders``, else a shipped one), once.

    Raises TemplateError with every problem.  What it looks like as a message is checked by ``hl7_check``.
    """
    return read_template(name, folders)


def read_template(name: str, folders: tuple[Path, ...] = (), edited: Mapping[str, str] | None = None) -> Template:
    """The same, read anew; ``edited`` are texts that count in place of the files of these names."""
    document: dict[str, Any] = {}
    path = _collect(name, folders, document, (), edited or {})
    reader = _Reader(path)
    template = reader.template(name, document)
    if reader.problems:
        raise TemplateError(reader.problems)
    return template


def _places(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    return (*folders, config_folder() / "templates")


def _file(name: str, folders: tuple[Path, ...]) -> Path | None:
    return next((f / f"{name}.toml" for f in _places(folders) if (f / f"{name}.toml").is_file()), None)


def _collect(
    name: str, folders: tuple[Path, ...], document: dict[str, Any], seen: tuple[str, ...], edited: Mapping[str, str]
) -> Path:
    """Read ``name`` over what it extends."""
    path = Path(f"{name}.toml") if name in edited else _file(name, folders)
    if path is None:
        raise TemplateError([f"there is no template {name!r}; known are {', '.join(template_names(folders))}"])
    if name in seen:
        raise TemplateError([f"{path}: extends: {' -> '.join((*seen, name))} goes in a circle; remove one"])
    try:
        own = tomllib.loads(edited[name] if name in edited else path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TemplateError([f"{path}: not readable as TOML: {error}"]) from error
    unknown = sorted(own.keys() - _TOP)
    if unknown:
        raise TemplateError([f"{path}: {key}: unknown; known are {', '.join(sorted(_TOP))}" for key in unknown])
    base = own.pop("extends", None)
    if base is not None:
        _collect(str(base), folders, document, (*seen, name), edited)
    _overlay(document, own)
    return path


def _overlay(document: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Tables are merged, anything else is replaced."""
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(document.get(key), dict) and "from" not in value:
            _overlay(document[key], value)
        else:
            document[key] = value


class _Reader:
    """Turns one document into a template, collecting problems."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[str] = []

    def template(self, name: str, document: Mapping[str, Any]) -> Template:
        message_type, _, trigger = str(document.get("message", "")).partition("^")
        if not message_type or not trigger:
            self._wrong("message", 'write type and event, such as "ORM^O01"')
        version = str(document.get("version", ""))
        if version not in VERSIONS:
            self._wrong("version", f"one of {', '.join(VERSIONS)} is expected")
        written = document.get("segments", {})
        segments = {label: self._segment(label, fields) for label, fields in written.items()}
        groups = self._groups(document.get("layout", []), segments)
        return Template(name, message_type, trigger, version, groups, self._codes(document.get("codes", {})))

    def _wrong(self, key: str, text: str) -> None:
        self.problems.append(f"{self._path}: {key}: {text}")

    def _groups(self, layout: Any, segments: Mapping[str, SegmentTemplate]) -> tuple[Group, ...]:
        groups = []
        for number, entry in enumerate(layout, 1):
            each, labels = entry.get("each"), entry.get("segments", [])
            if each not in list(Each):
                self._wrong(f"layout[{number}].each", f"one of {', '.join(Each)} is expected")
                continue
            missing = [label for label in labels if label not in segments]
            for label in missing:
                self._wrong(f"layout[{number}]", f"there is no [segments.{label}]")
            groups.append(Group(Each(each), tuple(segments[label] for label in labels if label in segments)))
        if not groups:
            self._wrong("layout", 'at least one { each = "step", segments = [...] } is expected')
        return tuple(groups)

    def _segment(self, label: str, written: Mapping[str, Any]) -> SegmentTemplate:
        fields: dict[int, Spec] = {}
        for number, value in written.items():
            if number == "when" or value is False:
                continue
            if not number.isdecimal():
                self._wrong(f"segments.{label}.{number}", "a field number or `when` is expected")
                continue
            spec = self._spec(f"segments.{label}.{number}", value)
            if spec is not None:
                fields[int(number)] = spec
        return SegmentTemplate(label, fields, str(written.get("when", "")))

    def _spec(self, key: str, value: Any) -> Spec | None:
        if isinstance(value, str):
            return Literal(tuple(value.split("^")))
        if isinstance(value, list):
            parts = [self._spec(key, part) for part in value]
            simple = [p for p in parts if isinstance(p, Literal) or (isinstance(p, Source) and p.conversion in LEAVES)]
            if len(simple) == len(value):
                return Components(tuple(simple))
            self._wrong(key, f"a component is text or a value as {', '.join(sorted(LEAVES))}")
            return None
        if isinstance(value, dict) and "from" in value and value.keys() <= {"from", "as", "default"}:
            return self._source(key, value)
        self._wrong(key, 'write "text", { from = "path", as = "...", default = "..." }, or a list of these')
        return None

    def _source(self, key: str, value: Mapping[str, Any]) -> Source | None:
        paths = value["from"] if isinstance(value["from"], list) else [value["from"]]
        conversion = str(value.get("as", "text"))
        if conversion not in CONVERSIONS:
            self._wrong(key, f"as = {conversion!r}: one of {', '.join(sorted(CONVERSIONS))} is expected")
            return None
        return Source(tuple(str(path) for path in paths), conversion, str(value.get("default", "")))

    def _codes(self, written: Mapping[str, Any]) -> Mapping[FactKind, StatusCodes]:
        codes = dict(STATUS_CODES)
        for fact, changed in written.items():
            known = {kind.value for kind in STATUS_CODES}
            if fact not in known:
                self._wrong(f"codes.{fact}", f"one of {', '.join(sorted(known))} is expected")
            elif not isinstance(changed, dict) or not changed.keys() <= _CODES:
                self._wrong(f"codes.{fact}", f"a table of {', '.join(sorted(_CODES))} is expected")
            else:
                before = codes[FactKind(fact)]
                merged = {name: str(changed.get(name, getattr(before, name))) for name in _CODES}
                codes[FactKind(fact)] = StatusCodes(**merged)
        return codes
