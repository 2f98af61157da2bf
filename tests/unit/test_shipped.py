"""Where the shipped configuration is found: in a clone, and in a wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from broker import shipped

ROOT = Path(__file__).resolve().parents[2]
SHIPPED_AS = {"broker": "broker/", "hl7": "hl7/", "config": "broker/_config/"}


def test_clone_uses_the_folder_at_its_top() -> None:
    assert shipped.config_folder() == ROOT / "config"


def test_installed_package_uses_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broker" / "_config").mkdir(parents=True)
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "broker" / "shipped.py"))
    assert shipped.config_folder() == tmp_path / "broker" / "_config"


@pytest.mark.slow
def test_wheel_carries_configuration_pages_and_migrations(tmp_path: Path) -> None:
    source = _copy_of_the_sources(tmp_path / "source")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), "."], cwd=source, check=True, stdin=subprocess.DEVNULL)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder, prefix in SHIPPED_AS.items():
        assert {prefix + name for name in _files(source / folder)} <= names


def _copy_of_the_sources(folder: Path) -> Path:
    """Building writes beside what it builds; and this repository may be in use by other tests."""
    for name in SHIPPED_AS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
