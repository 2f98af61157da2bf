"""The protocol record of an exam: what its device reported about series, dose, contrast, consumables and charging.

Read from the performed step's data set (PS3.3 C.4.15 image acquisition results, C.4.16 radiation dose, C.4.17 billing
and material management).  Values are shown as the device reported them; nothing is computed or depended upon: dose
reports (RDSR) are the authority for dose.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from broker.domain.dicom_json import Dataset, items, text, texts
from broker.domain.performed_table import TAG


class Section(StrEnum):
    """The parts of a protocol record, in the order they are shown."""

    SERIES = "series"
    DOSE = "dose"
    CONTRAST = "contrast"
    CONSUMABLE = "consumable"
    BILLING = "billing code"
    PROCEDURE = "procedure code"


@dataclass(frozen=True, slots=True)
class Entry:
    """One reported value.  ``code`` and ``scheme`` for coded ones; ``note`` is further detail in words."""

    section: Section
    name: str
    value: str = ""
    unit: str = ""
    code: str = ""
    scheme: str = ""
    note: str = ""


#: attributes outside of the performed table (PS3.6)
_CONTRAST_AGENT, _CONTRAST_SEQUENCE = 0x00180010, 0x00180012
_CONTRAST_VALUES: tuple[tuple[int, str, str], ...] = (
    (0x00181040, "Contrast route", ""),
    (0x00181041, "Contrast volume", "ml"),
    (0x00181044, "Contrast total dose", "ml"),
    (0x00181048, "Contrast ingredient", ""),
    (0x00181049, "Contrast concentration", "mg/ml"),
)
_DOSE_VALUES: tuple[tuple[int, str, str], ...] = (
    (TAG["ImageAndFluoroscopyAreaDoseProduct"], "Area dose product", "dGy·cm²"),
    (TAG["EntranceDoseInmGy"], "Entrance dose", "mGy"),
    (TAG["EntranceDose"], "Entrance dose", "dGy"),
    (0x00189345, "CTDIvol", "mGy"),
    (0x00400300, "Total time of fluoroscopy", "s"),
    (0x00400301, "Total number of exposures", ""),
    (TAG["ExposedArea"], "Exposed area", "mm"),
    (TAG["DistanceSourceToDetector"], "Distance source to detector", "mm"),
    (TAG["DistanceSourceToEntrance"], "Distance source to entrance", "mm"),
    (TAG["CommentsOnRadiationDose"], "Comment on dose", ""),
)
_EXPOSURE_SEQUENCE = 0x0040030E
_EXPOSURE_VALUES: tuple[tuple[int, str, str], ...] = (
    (0x00180060, "kVp", "kV"),
    (0x00181151, "Tube current", "mA"),
    (0x00188151, "Tube current", "µA"),
    (0x00181150, "Exposure time", "ms"),
    (0x0018115A, "Radiation mode", ""),
    (0x00181160, "Filter type", ""),
)
_FILMS, _FILM_SIZE, _MEDIUM = 0x21000170, 0x20100050, 0x20000030
_BILLING_ITEM, _QUANTITY_SEQUENCE, _QUANTITY, _UNITS = 0x00400296, 0x00400293, 0x00400294, 0x00400295
_SERIES = TAG["PerformedSeriesSequence"]


def read(dataset: Dataset) -> tuple[Entry, ...]:
    """Everything that the data set reports, section by section."""
    return tuple(entry for reader in _READERS for entry in reader(dataset))


def images_of(series: Dataset) -> int:
    """How many instances a series item refers to, images and others."""
    others = TAG["ReferencedNonImageCompositeSOPInstanceSequence"]
    return len(items(series, TAG["ReferencedImageSequence"])) + len(items(series, others))


def _series(dataset: Dataset) -> Iterator[Entry]:
    for number, one in enumerate(items(dataset, _SERIES), start=1):
        people = [*texts(one, TAG["OperatorsName"]), *texts(one, TAG["PerformingPhysicianName"])]
        yield Entry(
            Section.SERIES,
            text(one, TAG["SeriesDescription"]) or text(one, TAG["ProtocolName"]) or f"Series {number}",
            str(images_of(one)), "instances", text(one, TAG["SeriesInstanceUID"]), "",
            "; ".join(filter(None, [text(one, TAG["ProtocolName"]), *(p.replace("^", " ").strip() for p in people)])),
        )  # fmt: skip


def _dose(dataset: Dataset) -> Iterator[Entry]:
    yield from _values(dataset, Section.DOSE, _DOSE_VALUES)
    for number, exposure in enumerate(items(dataset, _EXPOSURE_SEQUENCE), start=1):
        yield from _values(exposure, Section.DOSE, _EXPOSURE_VALUES, f"exposure {number}")


def _contrast(dataset: Dataset) -> Iterator[Entry]:
    """At the root or with each series, wherever the device puts it."""
    for holder, note in ((dataset, ""), *((s, f"series {n}") for n, s in enumerate(items(dataset, _SERIES), start=1))):
        coded = [_code(item, Section.CONTRAST, note) for item in items(holder, _CONTRAST_SEQUENCE)]
        yield from coded
        agent = text(holder, _CONTRAST_AGENT)
        if agent and agent not in {entry.name for entry in coded}:
            yield Entry(Section.CONTRAST, agent, note=note)
        yield from _values(holder, Section.CONTRAST, _CONTRAST_VALUES, note)


def _consumables(dataset: Dataset) -> Iterator[Entry]:
    for used in items(dataset, TAG["BillingSuppliesAndDevicesSequence"]):
        amounts = items(used, _QUANTITY_SEQUENCE)
        quantity = text(amounts[0], _QUANTITY) if amounts else ""
        units = items(amounts[0], _UNITS) if amounts else ()
        unit = (text(units[0], TAG["CodeValue"]) or text(units[0], TAG["CodeMeaning"])) if units else ""
        for item in items(used, _BILLING_ITEM):
            coded = _code(item, Section.CONSUMABLE)
            yield Entry(Section.CONSUMABLE, coded.name, quantity, unit, coded.code, coded.scheme)
    for film in items(dataset, TAG["FilmConsumptionSequence"]):
        medium = text(film, _MEDIUM).capitalize() or "Film"
        yield Entry(Section.CONSUMABLE, medium, text(film, _FILMS), "films", note=text(film, _FILM_SIZE))


def _codes(keyword: str, section: Section) -> Callable[[Dataset], Iterator[Entry]]:
    return lambda dataset: (_code(item, section) for item in items(dataset, TAG[keyword]))


def _code(item: Dataset, section: Section, note: str = "") -> Entry:
    code = text(item, TAG["CodeValue"]) or text(item, TAG["LongCodeValue"]) or text(item, TAG["URNCodeValue"])
    return Entry(
        section, text(item, TAG["CodeMeaning"]) or code, code=code, scheme=text(item, TAG["CodingSchemeDesignator"]),
        note=note,
    )  # fmt: skip


def _values(
    dataset: Dataset, section: Section, wanted: tuple[tuple[int, str, str], ...], note: str = ""
) -> Iterator[Entry]:
    for tag, name, unit in wanted:
        found = texts(dataset, tag)
        if found:
            yield Entry(section, name, " × ".join(found), unit, note=note)


_READERS: tuple[Callable[[Dataset], Iterator[Entry]], ...] = (
    _series, _dose, _contrast, _consumables,
    _codes("BillingProcedureStepSequence", Section.BILLING),
    _codes("ProcedureCodeSequence", Section.PROCEDURE),
)  # fmt: skip


def by_section(entries: tuple[Entry, ...]) -> Mapping[Section, list[Entry]]:
    """The sections that hold anything, in order."""
    found = {section: [e for e in entries if e.section is section] for section in Section}
    return {section: some for section, some in found.items() if some}
