"""Where settings come from: TOML files, includes and environment, merged; and every problem told at once.

A problem names the file (or environment variable), the key, what is wrong, and what is allowed.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from broker.destination_settings import KINDS
from broker.settings import Settings, is_loopback

ENVIRONMENT_PREFIX = "BROKER__"
_LISTS = ("senders", "devices", "destinations")


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting."""

    source: str
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.source}: {self.key}: {self.text}" if self.key else f"{self.source}: {self.text}"


class SettingsError(Exception):
    """The settings cannot be used; ``problems`` holds all that is wrong with them."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = problems


@dataclass(slots=True)
class _Collected:
    values: dict[str, Any] = field(default_factory=dict)
    #: which file or variable gave a key, by path such as ("dicom", "port") or ("devices", 0)
    sources: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def find_file(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The settings file in use: ``--config``, else BROKER_CONFIG, else ``config/broker.toml`` if present, else none."""
    if given is not None:
        return given
    if environment.get("BROKER_CONFIG"):
        return Path(environment["BROKER_CONFIG"])
    usual = Path("config/broker.toml")
    return usual if usual.is_file() else None


def load(given: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.  Raises SettingsError with every problem."""
    environment = os.environ if environment is None else environment
    collected = _Collected()
    path = find_file(given, environment)
    if path is not None:
        _read_file(path, collected)
    _read_environment(environment, collected)
    settings = _validate(collected)
    problems = collected.problems + ([] if settings is None else _cross_checks(settings, collected))
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def _read_file(path: Path, collected: _Collected) -> None:
    values = _parse(path, collected)
    _merge(values, str(path), collected)
    includes = values.get("include", [])
    for pattern in includes if isinstance(includes, list) else []:
        found = sorted(path.parent.glob(str(pattern)))
        if not found:
            collected.problems.append(Problem(str(path), "include", f"no file matches {pattern!r}"))
        for file in found:
            inner = _parse(file, collected)
            if "include" in inner:
                collected.problems.append(Problem(str(file), "include", "an included file cannot include others"))
            _merge({k: v for k, v in inner.items() if k != "include"}, str(file), collected)


def _parse(path: Path, collected: _Collected) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        collected.problems.append(Problem(str(path), "", "there is no such file"))
    except (OSError, UnicodeDecodeError) as error:
        collected.problems.append(Problem(str(path), "", f"cannot be read ({type(error).__name__})"))
    except tomllib.TOMLDecodeError as error:
        collected.problems.append(Problem(str(path), "", f"is not valid TOML: {error}"))
    return {}


def _merge(values: Mapping[str, Any], source: str, collected: _Collected) -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            section = collected.values.setdefault(key, {})
            for inner, leaf in value.items():
                section[inner] = leaf
                collected.sources[key, inner] = source
        elif key in _LISTS and isinstance(value, list):
            present = collected.values.setdefault(key, [])
            for item in value:
                collected.sources[key, len(present)] = source
                present.append(item)
        else:
            collected.values[key] = value
        collected.sources[(key,)] = source


def _read_environment(environment: Mapping[str, str], collected: _Collected) -> None:
    """``BROKER__SECTION__KEY=value``; lists and tables are written as JSON."""
    for name, raw in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        value: Any = raw
        if raw[:1] in "[{":
            try:
                value = json.loads(raw)
            except ValueError:
                collected.problems.append(Problem(name, "", "lists and tables are written as JSON; this is not"))
                continue
        if len(path) == 1:
            collected.values[path[0]] = value
        elif len(path) == 2:
            collected.values.setdefault(path[0], {})[path[1]] = value
        else:
            collected.problems.append(Problem(name, "", "is deeper than any setting"))
            continue
        collected.sources[tuple(path)] = name


def _validate(collected: _Collected) -> Settings | None:
    try:
        return Settings.model_validate(collected.values)
    except ValidationError as error:
        collected.problems.extend(_problem(e, collected) for e in error.errors())
        return None


def _problem(error: Any, collected: _Collected) -> Problem:
    where: tuple[str | int, ...] = tuple(error["loc"])
    if len(where) > 2 and where[0] == "destinations" and where[2] in KINDS:
        where = (*where[:2], *where[3:])  # the kind that chose the class is no key
    source = "settings"
    for length in range(len(where), 0, -1):
        if where[:length] in collected.sources:
            source = collected.sources[where[:length]]
            break
    if str(error["type"]).startswith("union_tag_"):
        where = (*where, "kind")
    return Problem(source, _spell(where), explain(error))


def _spell(where: tuple[str | int, ...]) -> str:
    text = ""
    for part in where:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


_WORDS = {
    "extra_forbidden": "there is no such setting; see config/broker.toml for all of them",
    "missing": "is required",
    "int_parsing": "a whole number is expected",
    "int_type": "a whole number is expected",
    "bool_parsing": "true or false is expected",
    "bool_type": "true or false is expected",
    "string_type": "text in quotes is expected",
    "list_type": "a list is expected",
}


def explain(error: Any) -> str:
    """What is wrong with a value, from one of pydantic's errors, in words for whoever wrote it."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "union_tag_not_found":
        return f"is required: one of {', '.join(map(repr, KINDS))}"
    if kind == "union_tag_invalid":
        return f"one of {', '.join(map(repr, KINDS))} is expected, not {context['tag']!r}"
    if kind == "literal_error":
        return f"one of {context['expected']} is expected, not {error['input']!r}"
    if kind == "string_pattern_mismatch":
        return f"{error['input']!r} has characters that are not allowed here, or the wrong length"
    return str(error["msg"]).removeprefix("Value error, ")


def _cross_checks(settings: Settings, collected: _Collected) -> list[Problem]:
    problems = []
    for section, part in (("intake", settings.intake), ("dicom", settings.dicom)):
        if not is_loopback(part.host) and not part.unknown:
            source = collected.sources.get((section, "host"), "settings")
            text = (
                f"{section}.host {part.host} can be reached from other machines: say who may connect; "
                '"refuse" (only those listed) or "accept" (anybody)'
            )
            problems.append(Problem(source, f"{section}.unknown", text))
    tls = settings.dicom.tls
    if (
        tls.certificate
        and not is_loopback(tls.host)
        and not tls.require_client_certificate
        and not settings.dicom.unknown
    ):
        source = collected.sources.get(("dicom", "tls", "host"), "settings")
        text = (
            f"dicom.tls.host {tls.host} can be reached from other machines without a certificate: say who may connect; "
            '"refuse" (only those listed) or "accept" (anybody)'
        )
        problems.append(Problem(source, "dicom.unknown", text))
    problems += _tls_problems(settings, collected)
    problems += _site_problems(settings, collected)
    for key, names in (
        ("senders", [s.name for s in settings.senders]),
        ("devices", [d.ae_title for d in settings.devices]),
        ("destinations", [d.name for d in settings.destinations]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                source = collected.sources.get((key, index), "settings")
                problems.append(Problem(source, f"{key}[{index + 1}]", f"{name!r} is listed twice"))
    return problems


def _site_problems(settings: Settings, collected: _Collected) -> list[Problem]:
    """Destinations of sites that no sender speaks for: they would never be told anything."""
    known, problems = {sender.site for sender in settings.senders if sender.site}, []
    for index, destination in enumerate(settings.destinations):
        source = collected.sources.get(("destinations", index), "settings")
        for site in destination.sites:
            if site not in known:
                text = f"no sender has site {site!r}; give it as site under [[senders]]"
                problems.append(Problem(source, f"destinations[{index + 1}].sites", text))
        local = {sender.name for sender in settings.senders if sender.site in destination.sites}
        if local and destination.senders and local.isdisjoint(destination.senders):
            text = "none of its senders is of its sites: leave one of the two out"
            problems.append(Problem(source, f"destinations[{index + 1}].senders", text))
    return problems


def _tls_problems(settings: Settings, collected: _Collected) -> list[Problem]:
    """TLS settings of intake that only make sense together."""
    intake, problems = settings.intake, []
    source = collected.sources.get(("intake",), "settings")
    if bool(intake.tls_certificate) != bool(intake.tls_key):
        text = "intake.tls_certificate and intake.tls_key belong together: give both, or neither"
        problems.append(Problem(source, "intake.tls_key", text))
    if intake.tls_client_ca and not intake.tls_certificate:
        text = "without intake.tls_certificate there is no TLS, and nobody shows a certificate"
        problems.append(Problem(source, "intake.tls_client_ca", text))
    for index, sender in enumerate(settings.senders):
        if sender.certificate and not intake.tls_client_ca:
            where = collected.sources.get(("senders", index), "settings")
            text = "senders show certificates only when intake.tls_client_ca is set"
            problems.append(Problem(where, f"senders[{index + 1}].certificate", text))
    return problems
