"""Where the broker listens: written by ``serve``, read by the commands that talk to a running broker."""

import json
from pathlib import Path

from broker.settings import Settings

PARTS = ("intake", "dicom", "web")


def write(data_dir: Path, ports: dict[str, int]) -> Path:
    """Write ``ports.json`` whole or not at all; answers its path."""
    target = data_dir / "ports.json"
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(ports), encoding="utf-8")
    fresh.replace(target)
    return target


def listening(settings: Settings, part: str) -> tuple[str, int]:
    """Host and port of a part ("intake", "dicom", "web"): as last written by ``serve``, else as set."""
    host = {"intake": settings.intake.host, "dicom": settings.dicom.host, "web": settings.web.host}[part]
    port = {"intake": settings.intake.port, "dicom": settings.dicom.port, "web": settings.web.port}[part]
    if port == 0:
        try:
            port = int(json.loads((settings.data_dir / "ports.json").read_text(encoding="utf-8"))[part])
        except (OSError, ValueError, KeyError, TypeError):
            port = 0
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - reached over loopback
