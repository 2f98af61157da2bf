"""The rows of DICOM PS3.4 Table K.6-1: every attribute a worklist item can hold, by entity.

Data only.  A row is (keyword, tag, VR, return key type, flags, rows inside a sequence); flags: ``R`` a required
matching key, ``n`` several values allowed.
"""

Row = tuple[str, int, str, str, str, tuple["Row", ...]]

_NONE: tuple[Row, ...] = ()

#: Code Sequence Macro, PS3.3 Table 8.8-1
CODE: tuple[Row, ...] = (
    ("CodeValue", 0x00080100, "SH", "1C", "", _NONE),
    ("CodingSchemeDesignator", 0x00080102, "SH", "1C", "", _NONE),
    ("CodingSchemeVersion", 0x00080103, "SH", "3", "", _NONE),
    ("CodeMeaning", 0x00080104, "LO", "1", "", _NONE),
    ("LongCodeValue", 0x00080119, "UC", "1C", "", _NONE),
    ("URNCodeValue", 0x00080120, "UR", "1C", "", _NONE),
)
#: HL7v2 Hierarchic Designator Macro, PS3.3 Table 10-17
DESIGNATOR: tuple[Row, ...] = (
    ("LocalNamespaceEntityID", 0x00400031, "UT", "1C", "", _NONE),
    ("UniversalEntityID", 0x00400032, "UT", "1C", "", _NONE),
    ("UniversalEntityIDType", 0x00400033, "CS", "1C", "", _NONE),
)
#: Issuer of Patient ID Macro, PS3.3 Table 10-18, the part inside the qualifiers sequence
QUALIFIERS: tuple[Row, ...] = (
    ("UniversalEntityID", 0x00400032, "UT", "3", "", _NONE),
    ("UniversalEntityIDType", 0x00400033, "CS", "1C", "", _NONE),
    ("IdentifierTypeCode", 0x00400035, "CS", "3", "", _NONE),
    ("AssigningFacilitySequence", 0x00400036, "SQ", "3", "", DESIGNATOR),
    ("AssigningJurisdictionCodeSequence", 0x00400039, "SQ", "3", "", CODE),
    ("AssigningAgencyOrDepartmentCodeSequence", 0x0040003A, "SQ", "3", "", CODE),
)
REFERENCE: tuple[Row, ...] = (
    ("ReferencedSOPClassUID", 0x00081150, "UI", "1", "", _NONE),
    ("ReferencedSOPInstanceUID", 0x00081155, "UI", "1", "", _NONE),
)
#: Person Identification Macro, PS3.3 Table 10-1
PERSON: tuple[Row, ...] = (
    ("PersonIdentificationCodeSequence", 0x00401101, "SQ", "1", "", CODE),
    ("InstitutionName", 0x00080080, "LO", "1C", "", _NONE),
    ("InstitutionCodeSequence", 0x00080082, "SQ", "1C", "", CODE),
)
OTHER_ID: tuple[Row, ...] = (
    ("PatientID", 0x00100020, "LO", "1", "", _NONE),
    ("IssuerOfPatientID", 0x00100021, "LO", "3", "", _NONE),
    ("TypeOfPatientID", 0x00100022, "CS", "1", "", _NONE),
    ("IssuerOfPatientIDQualifiersSequence", 0x00100024, "SQ", "3", "", QUALIFIERS),
)
#: Content Item Macro as far as protocol context uses it, PS3.3 Table 10-2
CONTEXT: tuple[Row, ...] = (
    ("ValueType", 0x0040A040, "CS", "1", "", _NONE),
    ("ConceptNameCodeSequence", 0x0040A043, "SQ", "1", "", CODE),
    ("TextValue", 0x0040A160, "UT", "1C", "", _NONE),
    ("NumericValue", 0x0040A30A, "DS", "1C", "n", _NONE),
    ("MeasurementUnitsCodeSequence", 0x004008EA, "SQ", "1C", "", CODE),
    ("ConceptCodeSequence", 0x0040A168, "SQ", "1C", "", CODE),
)
PROTOCOL: tuple[Row, ...] = (*CODE, ("ProtocolContextSequence", 0x00400440, "SQ", "3", "", CONTEXT))
SPECIMEN: tuple[Row, ...] = (
    ("ContainerIdentifier", 0x00400512, "LO", "1", "", _NONE),
    ("SpecimenIdentifier", 0x00400551, "LO", "1", "", _NONE),
    ("SpecimenUID", 0x00400554, "UI", "1", "", _NONE),
)

STEP: tuple[Row, ...] = (
    ("ScheduledStationAETitle", 0x00400001, "AE", "1", "Rn", _NONE),
    ("ScheduledProcedureStepStartDate", 0x00400002, "DA", "1", "R", _NONE),
    ("ScheduledProcedureStepStartTime", 0x00400003, "TM", "1", "R", _NONE),
    ("Modality", 0x00080060, "CS", "1", "R", _NONE),
    ("ScheduledPerformingPhysicianName", 0x00400006, "PN", "2", "R", _NONE),
    ("ScheduledProcedureStepDescription", 0x00400007, "LO", "1C", "", _NONE),
    ("ScheduledProtocolCodeSequence", 0x00400008, "SQ", "1C", "", PROTOCOL),
    ("ScheduledStationName", 0x00400010, "SH", "2", "n", _NONE),
    ("ScheduledProcedureStepLocation", 0x00400011, "SH", "2", "", _NONE),
    ("PreMedication", 0x00400012, "LO", "2C", "", _NONE),
    ("ScheduledProcedureStepID", 0x00400009, "SH", "1", "", _NONE),
    ("RequestedContrastAgent", 0x00321070, "LO", "2C", "", _NONE),
    ("ScheduledProcedureStepStatus", 0x00400020, "CS", "3", "", _NONE),
    ("ScheduledProcedureStepEndDate", 0x00400004, "DA", "3", "", _NONE),
    ("ScheduledProcedureStepEndTime", 0x00400005, "TM", "3", "", _NONE),
    ("ScheduledPerformingPhysicianIdentificationSequence", 0x0040000B, "SQ", "3", "", PERSON),
    ("ScheduledStationNameCodeSequence", 0x00404025, "SQ", "3", "", CODE),
    ("ScheduledStationGeographicLocationCodeSequence", 0x00404027, "SQ", "3", "", CODE),
    ("ReferencedDefinedProtocolSequence", 0x0018990C, "SQ", "3", "", REFERENCE),
    ("ReferencedPerformedProtocolSequence", 0x0018990D, "SQ", "3", "", REFERENCE),
    ("CommentsOnTheScheduledProcedureStep", 0x00400400, "LT", "3", "", _NONE),
    ("ScheduledSpecimenSequence", 0x00400500, "SQ", "3", "", SPECIMEN),
    ("AnatomicalOrientationType", 0x00102210, "CS", "3", "", _NONE),
    ("BarcodeValue", 0x22000005, "LT", "3", "", _NONE),
)

PROCEDURE: tuple[Row, ...] = (
    ("RequestedProcedureID", 0x00401001, "SH", "1", "", _NONE),
    ("RequestedProcedureDescription", 0x00321060, "LO", "1C", "", _NONE),
    ("RequestedProcedureCodeSequence", 0x00321064, "SQ", "1C", "", CODE),
    ("StudyInstanceUID", 0x0020000D, "UI", "1", "", _NONE),
    ("ReferencedStudySequence", 0x00081110, "SQ", "2", "", REFERENCE),
    ("RequestedProcedurePriority", 0x00401003, "SH", "2", "", _NONE),
    ("PatientTransportArrangements", 0x00401004, "LO", "2", "", _NONE),
    ("ReportingPriority", 0x00401009, "SH", "3", "", _NONE),
    ("StudyDate", 0x00080020, "DA", "3", "", _NONE),
    ("StudyTime", 0x00080030, "TM", "3", "", _NONE),
    ("ReasonForTheRequestedProcedure", 0x00401002, "LO", "3", "", _NONE),
    ("ReasonForRequestedProcedureCodeSequence", 0x0040100A, "SQ", "3", "", CODE),
    ("RequestedProcedureComments", 0x00401400, "LT", "3", "", _NONE),
    ("RequestedProcedureLocation", 0x00401005, "LO", "3", "", _NONE),
    ("ConfidentialityCode", 0x00401008, "LO", "3", "", _NONE),
    ("NamesOfIntendedRecipientsOfResults", 0x00401010, "PN", "3", "n", _NONE),
    ("IntendedRecipientsOfResultsIdentificationSequence", 0x00401011, "SQ", "3", "", PERSON),
)

REQUEST: tuple[Row, ...] = (
    ("AccessionNumber", 0x00080050, "SH", "2", "", _NONE),
    ("IssuerOfAccessionNumberSequence", 0x00080051, "SQ", "3", "", DESIGNATOR),
    ("RequestingPhysician", 0x00321032, "PN", "2", "", _NONE),
    ("ReferringPhysicianName", 0x00080090, "PN", "2", "", _NONE),
    ("RequestingPhysicianIdentificationSequence", 0x00321031, "SQ", "3", "", PERSON),
    ("ReferringPhysicianIdentificationSequence", 0x00080096, "SQ", "3", "", PERSON),
    ("RequestingService", 0x00321033, "LO", "3", "", _NONE),
    ("RequestingServiceCodeSequence", 0x00321034, "SQ", "3", "", CODE),
    ("ImagingServiceRequestComments", 0x00402400, "LT", "3", "", _NONE),
    ("IssueDateOfImagingServiceRequest", 0x00402004, "DA", "3", "", _NONE),
    ("IssueTimeOfImagingServiceRequest", 0x00402005, "TM", "3", "", _NONE),
    ("PlacerOrderNumberImagingServiceRequest", 0x00402016, "LO", "3", "", _NONE),
    ("OrderPlacerIdentifierSequence", 0x00400026, "SQ", "3", "", DESIGNATOR),
    ("FillerOrderNumberImagingServiceRequest", 0x00402017, "LO", "3", "", _NONE),
    ("OrderFillerIdentifierSequence", 0x00400027, "SQ", "3", "", DESIGNATOR),
    ("OrderEnteredBy", 0x00402008, "PN", "3", "", _NONE),
    ("OrderEntererLocation", 0x00402009, "SH", "3", "", _NONE),
    ("OrderCallbackPhoneNumber", 0x00402010, "SH", "3", "", _NONE),
)

VISIT: tuple[Row, ...] = (
    ("AdmissionID", 0x00380010, "LO", "2", "", _NONE),
    ("CurrentPatientLocation", 0x00380300, "LO", "2", "", _NONE),
    ("ReferencedPatientSequence", 0x00081120, "SQ", "2", "", REFERENCE),
    ("ReasonForVisit", 0x00321066, "UT", "3", "", _NONE),
    ("ReasonForVisitCodeSequence", 0x00321067, "SQ", "3", "", CODE),
    ("IssuerOfAdmissionIDSequence", 0x00380014, "SQ", "3", "", DESIGNATOR),
    ("ServiceEpisodeID", 0x00380060, "LO", "3", "", _NONE),
    ("IssuerOfServiceEpisodeIDSequence", 0x00380064, "SQ", "3", "", DESIGNATOR),
    ("ServiceEpisodeDescription", 0x00380062, "LO", "3", "", _NONE),
    ("InstitutionName", 0x00080080, "LO", "3", "", _NONE),
    ("InstitutionAddress", 0x00080081, "ST", "3", "", _NONE),
    ("InstitutionCodeSequence", 0x00080082, "SQ", "3", "", CODE),
    ("InstitutionalDepartmentName", 0x00081040, "LO", "3", "", _NONE),
    ("InstitutionalDepartmentTypeCodeSequence", 0x00081041, "SQ", "3", "", CODE),
    ("VisitStatusID", 0x00380008, "CS", "3", "", _NONE),
    ("PatientInstitutionResidence", 0x00380400, "LO", "3", "", _NONE),
    ("VisitComments", 0x00384000, "LT", "3", "", _NONE),
    ("RouteOfAdmissions", 0x00380016, "LO", "3", "", _NONE),
    ("AdmittingDate", 0x00380020, "DA", "3", "", _NONE),
    ("AdmittingTime", 0x00380021, "TM", "3", "", _NONE),
    ("AdmittingDiagnosesDescription", 0x00081080, "LO", "3", "n", _NONE),
    ("AdmittingDiagnosesCodeSequence", 0x00081084, "SQ", "3", "", CODE),
    ("ConsultingPhysicianName", 0x0008009C, "PN", "3", "n", _NONE),
    # Patient medical values belong to the visit: they describe the patient now, not for life
    ("PatientState", 0x00380500, "LO", "2", "", _NONE),
    ("PregnancyStatus", 0x001021C0, "US", "2", "", _NONE),
    ("SpecialNeeds", 0x00380050, "LO", "2", "", _NONE),
    ("PatientWeight", 0x00101030, "DS", "2", "", _NONE),
    ("PatientSize", 0x00101020, "DS", "3", "", _NONE),
    ("LastMenstrualDate", 0x001021D0, "DA", "3", "", _NONE),
    ("AdditionalPatientHistory", 0x001021B0, "LT", "3", "", _NONE),
    ("SmokingStatus", 0x001021A0, "CS", "3", "", _NONE),
    ("PatientAge", 0x00101010, "AS", "3", "", _NONE),
)

PATIENT: tuple[Row, ...] = (
    ("PatientName", 0x00100010, "PN", "1", "R", _NONE),
    ("PatientID", 0x00100020, "LO", "1", "R", _NONE),
    ("IssuerOfPatientID", 0x00100021, "LO", "3", "", _NONE),
    ("IssuerOfPatientIDQualifiersSequence", 0x00100024, "SQ", "3", "", QUALIFIERS),
    ("TypeOfPatientID", 0x00100022, "CS", "3", "", _NONE),
    ("OtherPatientIDsSequence", 0x00101002, "SQ", "3", "", OTHER_ID),
    ("PatientBirthDate", 0x00100030, "DA", "2", "", _NONE),
    ("PatientSex", 0x00100040, "CS", "2", "", _NONE),
    ("ConfidentialityConstraintOnPatientDataDescription", 0x00403001, "LO", "2", "", _NONE),
    ("MedicalAlerts", 0x00102000, "LO", "2", "n", _NONE),
    ("Allergies", 0x00102110, "LO", "2", "n", _NONE),
    ("OtherPatientNames", 0x00101001, "PN", "3", "n", _NONE),
    ("PatientBirthName", 0x00101005, "PN", "3", "", _NONE),
    ("PatientMotherBirthName", 0x00101060, "PN", "3", "", _NONE),
    ("PatientBirthTime", 0x00100032, "TM", "3", "", _NONE),
    ("PatientAddress", 0x00101040, "LO", "3", "", _NONE),
    ("PatientTelephoneNumbers", 0x00102154, "SH", "3", "n", _NONE),
    ("PatientTelecomInformation", 0x00102155, "LT", "3", "", _NONE),
    ("CountryOfResidence", 0x00102150, "LO", "3", "", _NONE),
    ("RegionOfResidence", 0x00102152, "LO", "3", "", _NONE),
    ("MilitaryRank", 0x00101080, "LO", "3", "", _NONE),
    ("BranchOfService", 0x00101081, "LO", "3", "", _NONE),
    ("EthnicGroup", 0x00102160, "SH", "3", "", _NONE),
    ("Occupation", 0x00102180, "SH", "3", "", _NONE),
    ("PatientReligiousPreference", 0x001021F0, "LO", "3", "", _NONE),
    ("PatientPrimaryLanguageCodeSequence", 0x00100101, "SQ", "3", "", CODE),
    ("PatientComments", 0x00104000, "LT", "3", "", _NONE),
    ("ResponsiblePerson", 0x00102297, "PN", "3", "", _NONE),
    ("ResponsiblePersonRole", 0x00102298, "CS", "3", "", _NONE),
    ("ResponsibleOrganization", 0x00102299, "LO", "3", "", _NONE),
    ("PatientSpeciesDescription", 0x00102201, "LO", "3", "", _NONE),
    ("PatientSpeciesCodeSequence", 0x00102202, "SQ", "3", "", CODE),
    ("PatientBreedDescription", 0x00102292, "LO", "3", "", _NONE),
    ("PatientBreedCodeSequence", 0x00102293, "SQ", "3", "", CODE),
    ("PatientSexNeutered", 0x00102203, "CS", "3", "", _NONE),
)

ROWS: dict[str, tuple[Row, ...]] = {
    "patient": PATIENT,
    "visit": VISIT,
    "request": REQUEST,
    "procedure": PROCEDURE,
    "step": STEP,
}
