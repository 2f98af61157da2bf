"""The promises of the project's own files: pins, packages, sizes of rooms, who imports whom, nothing of one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from setuptools import find_packages

from broker.delivery.extras import NEEDED, missing

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = sorted(path for room in ("hl7", "broker") for path in (ROOT / room).rglob("*.py"))
LOCK_LINES = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
PYTHONS = ("3.11", "3.12", "3.13")
# Written so that this file does not hold what it looks for.
FORBIDDEN_TEXT = re.compile(
    r"/wor[k]/(main|shared)|/tm[p]/|/roo[t]/"
    r"|https?://[^\s\"]*/simpl[e]\b|--(extra-)?inde[x]-url|--find-link[s]|\"resolve[d]\": *\"http"
)


def _pins() -> dict[str, Version]:
    lines = [line for line in LOCK_LINES if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


def _direct() -> list[Requirement]:
    extras = [text for texts in PROJECT["project"]["optional-dependencies"].values() for text in texts]
    return [
        Requirement(text)
        for text in PROJECT["project"]["dependencies"] + extras + PROJECT["dependency-groups"]["dev"]
    ]


def _brought_in(name: str, extras: set[str], python: str) -> Iterator[Requirement]:
    """What a package asks for on Linux under one Python version."""
    for requirement in map(Requirement, requires(name) or []):
        versions = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        environments = [{"extra": extra, **versions} for extra in extras | {""}]
        if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
            yield requirement


def test_lock_holds_exact_versions_and_nothing_else() -> None:
    odd = [line for line in LOCK_LINES if line and not re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line)]
    assert odd == []


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_covers_all_that_the_project_needs(python: str) -> None:
    pins, waiting, seen = _pins(), _direct(), set[str]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{requirement} is not in requirements.lock"
        assert pins[name] in requirement.specifier, f"requirements.lock has {name} {pins[name]}, wanted {requirement}"
        key = f"{name}{sorted(requirement.extras)}"
        if key not in seen:
            seen.add(key)
            waiting.extend(_brought_in(requirement.name, requirement.extras, python))
    assert set(pins) == {key.partition("[")[0] for key in seen}, "requirements.lock pins what nothing needs"


def test_extras_are_the_kinds_that_need_them() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert {kind: len(modules) for kind, modules in NEEDED.items()} == {kind: len(p) for kind, p in extras.items()}
    assert [missing(kind) for kind in NEEDED] == [None] * len(NEEDED)


def test_every_direct_dependency_is_explained() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [str(requirement) for requirement in _direct() if f"| {requirement.name} |" not in page] == []


def test_changelog_speaks_of_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.search(rf"\b{re.escape(PROJECT['project']['version'])}\b", changelog)


def test_wheel_holds_every_package() -> None:
    found = set(find_packages(str(ROOT), include=["hl7*", "broker*"]))
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    assert listed == found | {"broker._config"}, "mend [tool.setuptools] packages in pyproject.toml"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_room_is_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES_OF_A_FILE, "split this file"
    long = [f"{name}: {lines} lines" for name, lines in _functions(ast.parse(text)) if lines > MOST_LINES_OF_A_FUNCTION]
    assert long == [], "split these functions"


def _functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


STANDARD_LIBRARY_ROOMS = [
    (path, allowed)
    for folder, allowed in (("hl7", {"hl7", "hl7apy"}), ("broker/domain", {"broker"}))
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize(("path", "allowed"), STANDARD_LIBRARY_ROOMS, ids=lambda value: getattr(value, "name", ""))
def test_room_imports_only_the_standard_library_and_itself(path: Path, allowed: set[str]) -> None:
    imported = set(_imported_packages(ast.parse(path.read_text(encoding="utf-8"))))
    assert imported - sys.stdlib_module_names - allowed == set()


def _imported_packages(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_import_rules_are_kept() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint_imports), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_names_one_machine() -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    assert [found for path in files if path.is_file() for found in _breaches(path)] == []


def _breaches(path: Path) -> Iterator[str]:
    text = path.read_bytes().decode("utf-8", errors="replace")
    for found in FORBIDDEN_TEXT.finditer(text):
        yield f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}"
