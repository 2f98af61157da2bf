"""Reading the message cases of our own, and parts that many tests use."""

from collections.abc import Mapping
from pathlib import Path

from broker.domain.attributes import Value, items_of, text
from broker.intake.catalogue import load_catalogue
from broker.intake.mapping_file import load_mapping
from broker.intake.order_parts import Site
from broker.shipped import config_folder

FOLDER = Path(__file__).resolve().parents[2] / "cases" / "orders"
CASES = sorted(path.stem for path in FOLDER.glob("*.hl7"))
CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "hl7"
CORPUS_FILES = sorted(CORPUS.glob("*.hl7")) if CORPUS.is_dir() else []


def message(name: str) -> bytes:
    return (FOLDER / f"{name}.hl7").read_bytes().replace(b"\n", b"\r")


def usual_mapping():
    return load_mapping("ihe-swf")


def usual_site() -> Site:
    return Site(load_catalogue(config_folder() / "procedures.csv"))


def shown(value: Value | None) -> str | None:
    """A value as the cases write it."""
    if value is None or isinstance(value, str | int):
        return None if value is None else str(value)
    items = items_of(value)
    return "; ".join(_code(item) for item in items) if items else "; ".join(str(v) for v in value)


def _code(item: Mapping[str, Value]) -> str:
    code = text(item, "CodeValue") or text(item, "LongCodeValue")
    return "|".join((code, text(item, "CodingSchemeDesignator"), text(item, "CodeMeaning")))
