"""What a performed procedure step may and must hold: DICOM PS3.4 Table F.7.2-1 as data.

Columns as in the table: type required of SCU/SCP at N-CREATE and at N-SET (``NA``: not allowed), and the type that must
hold in the stored object before a final state is accepted (empty: nothing required).  The rules are in ``performing``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from broker.domain.dicom_json import key_of


@dataclass(frozen=True, slots=True)
class PerformedAttribute:
    """One row of the table; ``items`` are the rows inside a sequence."""

    keyword: str
    tag: int
    vr: str
    create: str
    update: str
    final: str = ""
    #: the defined terms, where the standard closes the list
    terms: frozenset[str] = frozenset()
    items: tuple["PerformedAttribute", ...] = field(default=())
    #: the tag as the DICOM JSON Model writes it
    key: str = field(init=False)
    #: what each column asks of the SCU: the letters before the stroke
    asked: Mapping[str, str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Derive what the other fields imply, once for all requests."""
        columns = {"create": self.create, "update": self.update, "final": self.final}
        object.__setattr__(self, "key", key_of(self.tag))
        object.__setattr__(self, "asked", {name: required.partition("/")[0] for name, required in columns.items()})

    @property
    def settable(self) -> bool:
        """False when the table forbids the attribute in N-SET."""
        return self.update != "NA"


def _row(  # noqa: PLR0917 - a row of the table has that many columns
    keyword: str, tag: int, vr: str, create: str, update: str = "NA", final: str = "",
    terms: str = "", items: tuple[PerformedAttribute, ...] = (),
) -> PerformedAttribute:  # fmt: skip
    return PerformedAttribute(keyword, tag, vr, create, update, final, frozenset(filter(None, terms.split("|"))), items)


def _codes(keyword: str, tag: int, create: str, update: str = "NA", final: str = "") -> PerformedAttribute:
    """A code sequence (PS3.3 Table 8.8-1)."""
    return _row(keyword, tag, "SQ", create, update, final, items=CODE_ITEM)


def _references(keyword: str, tag: int, create: str, update: str = "NA", final: str = "") -> PerformedAttribute:
    """A sequence of references to SOP instances (PS3.3 Table 10-11)."""
    return _row(keyword, tag, "SQ", create, update, final, items=REFERENCE_ITEM)


CODE_ITEM = (
    _row("CodeValue", 0x00080100, "SH", "1C/1C", "1C/1C"),
    _row("CodingSchemeDesignator", 0x00080102, "SH", "1C/1C", "1C/1C"),
    _row("CodingSchemeVersion", 0x00080103, "SH", "3/3", "3/3"),
    _row("CodeMeaning", 0x00080104, "LO", "1/1", "1/1"),
    _row("LongCodeValue", 0x00080119, "UC", "1C/1C", "1C/1C"),
    _row("URNCodeValue", 0x00080120, "UR", "1C/1C", "1C/1C"),
)
REFERENCE_ITEM = (
    _row("ReferencedSOPClassUID", 0x00081150, "UI", "1/1", "1/1", "1"),
    _row("ReferencedSOPInstanceUID", 0x00081155, "UI", "1/1", "1/1", "1"),
)
ISSUER_ITEM = (
    _row("LocalNamespaceEntityID", 0x00400031, "UT", "1C/1C"),
    _row("UniversalEntityID", 0x00400032, "UT", "1C/1C"),
    _row("UniversalEntityIDType", 0x00400033, "CS", "1C/1C"),
)
SCHEDULED_STEP_ITEM = (
    _row("StudyInstanceUID", 0x0020000D, "UI", "1/1"),
    _references("ReferencedStudySequence", 0x00081110, "2/2"),
    _row("AccessionNumber", 0x00080050, "SH", "2/2"),
    _row("IssuerOfAccessionNumberSequence", 0x00080051, "SQ", "3/3", items=ISSUER_ITEM),
    _row("PlacerOrderNumberImagingServiceRequest", 0x00402016, "LO", "3/3"),
    _row("OrderPlacerIdentifierSequence", 0x00400026, "SQ", "3/3", items=ISSUER_ITEM),
    _row("FillerOrderNumberImagingServiceRequest", 0x00402017, "LO", "3/3"),
    _row("OrderFillerIdentifierSequence", 0x00400027, "SQ", "3/3", items=ISSUER_ITEM),
    _row("RequestedProcedureID", 0x00401001, "SH", "2/2"),
    _codes("RequestedProcedureCodeSequence", 0x00321064, "3/3"),
    _row("RequestedProcedureDescription", 0x00321060, "LO", "2/2"),
    _row("ScheduledProcedureStepID", 0x00400009, "SH", "2/2"),
    _row("ScheduledProcedureStepDescription", 0x00400007, "LO", "2/2"),
    _codes("ScheduledProtocolCodeSequence", 0x00400008, "2/2"),
)
SERIES_ITEM = (
    _row("PerformingPhysicianName", 0x00081050, "PN", "2/2", "2/2", "2"),
    _row("ProtocolName", 0x00181030, "LO", "1/1", "1/1", "1"),
    _row("OperatorsName", 0x00081070, "PN", "2/2", "2/2", "2"),
    _row("SeriesInstanceUID", 0x0020000E, "UI", "1/1", "1/1", "1"),
    _row("SeriesDescription", 0x0008103E, "LO", "2/2", "2/2", "2"),
    _row("RetrieveAETitle", 0x00080054, "AE", "2/2", "2/2", "2"),
    _row("ArchiveRequested", 0x0040A494, "CS", "3/3", "3/3", terms="YES|NO"),
    _references("ReferencedImageSequence", 0x00081140, "2/2", "2/2", "2"),
    _references("ReferencedNonImageCompositeSOPInstanceSequence", 0x00400220, "2/2", "2/2", "2"),
)
RELATIONSHIP = (
    _row("SpecificCharacterSet", 0x00080005, "CS", "1C/1C", "1C/1C"),
    _row("ScheduledStepAttributesSequence", 0x00400270, "SQ", "1/1", items=SCHEDULED_STEP_ITEM),
    _row("PatientName", 0x00100010, "PN", "2/2"),
    _row("PatientID", 0x00100020, "LO", "2/2"),
    _row("IssuerOfPatientID", 0x00100021, "LO", "3/3"),
    _row("IssuerOfPatientIDQualifiersSequence", 0x00100024, "SQ", "3/3"),
    _row("OtherPatientIDsSequence", 0x00101002, "SQ", "3/3"),
    _row("PatientBirthDate", 0x00100030, "DA", "2/2"),
    _row("PatientSex", 0x00100040, "CS", "2/2"),
    _references("ReferencedPatientSequence", 0x00081120, "2/2"),
    _row("AdmissionID", 0x00380010, "LO", "3/3"),
    _row("IssuerOfAdmissionIDSequence", 0x00380014, "SQ", "3/3", items=ISSUER_ITEM),
    _row("ServiceEpisodeID", 0x00380060, "LO", "3/3"),
    _row("IssuerOfServiceEpisodeIDSequence", 0x00380064, "SQ", "3/3", items=ISSUER_ITEM),
    _row("ServiceEpisodeDescription", 0x00380062, "LO", "3/3"),
)
INFORMATION = (
    _row("PerformedProcedureStepID", 0x00400253, "SH", "1/1"),
    _row("PerformedStationAETitle", 0x00400241, "AE", "1/1"),
    _row("PerformedStationName", 0x00400242, "SH", "2/2"),
    _row("PerformedLocation", 0x00400243, "SH", "2/2"),
    _row("PerformedProcedureStepStartDate", 0x00400244, "DA", "1/1"),
    _row("PerformedProcedureStepStartTime", 0x00400245, "TM", "1/1"),
    _row(
        "PerformedProcedureStepStatus", 0x00400252, "CS", "1/1", "3/1", "1", terms="IN PROGRESS|COMPLETED|DISCONTINUED"
    ),
    _row("PerformedProcedureStepDescription", 0x00400254, "LO", "2/2", "3/2"),
    _row("PerformedProcedureTypeDescription", 0x00400255, "LO", "2/2", "3/2"),
    _codes("ProcedureCodeSequence", 0x00081032, "2/2", "3/2"),
    _codes("ReasonForPerformedProcedureCodeSequence", 0x00401012, "3/3", "3/3"),
    _row("PerformedProcedureStepEndDate", 0x00400250, "DA", "2/2", "3/1", "1"),
    _row("PerformedProcedureStepEndTime", 0x00400251, "TM", "2/2", "3/1", "1"),
    _row("CommentsOnThePerformedProcedureStep", 0x00400280, "ST", "3/3", "3/3"),
    _codes("PerformedProcedureStepDiscontinuationReasonCodeSequence", 0x00400281, "3/3", "3/3"),
)
RESULTS = (
    _row("Modality", 0x00080060, "CS", "1/1"),
    _row("StudyID", 0x00200010, "SH", "2/2"),
    _codes("PerformedProtocolCodeSequence", 0x00400260, "2/2", "3/2"),
    _row("PerformedSeriesSequence", 0x00400340, "SQ", "2/2", "3/2", "1", items=SERIES_ITEM),
    _row("EntranceDose", 0x00400302, "US", "3/3", "3/3"),
    _row("EntranceDoseInmGy", 0x00408302, "DS", "3/3", "3/3"),
    _row("ExposedArea", 0x00400303, "US", "3/3", "3/3"),
    _row("DistanceSourceToDetector", 0x00181110, "DS", "3/3", "3/3"),
    _row("DistanceSourceToEntrance", 0x00400306, "DS", "3/3", "3/3"),
    _row("ImageAndFluoroscopyAreaDoseProduct", 0x0018115E, "DS", "3/3", "3/3"),
    _row("CommentsOnRadiationDose", 0x00400310, "ST", "3/3", "3/3"),
    _row("BillingProcedureStepSequence", 0x00400320, "SQ", "3/3", "3/3"),
    _row("FilmConsumptionSequence", 0x00400321, "SQ", "3/3", "3/3"),
    _row("BillingSuppliesAndDevicesSequence", 0x00400324, "SQ", "3/3", "3/3"),
)

#: every attribute of the root level by tag, in the order of the standard's table
TABLE: Mapping[int, PerformedAttribute] = {a.tag: a for a in RELATIONSHIP + INFORMATION + RESULTS}


def walk(rows: tuple[PerformedAttribute, ...] | None = None) -> Iterator[PerformedAttribute]:
    """Every row, those inside sequences after their sequence."""
    for row in tuple(TABLE.values()) if rows is None else rows:
        yield row
        yield from walk(row.items)


#: tag by keyword, for every row of the table
TAG: Mapping[str, int] = {row.keyword: row.tag for row in walk()}
