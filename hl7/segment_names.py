"""The long names of segments, which hl7apy's dictionaries do not hold.

Owns: that table. Must not: know fields (hl7.validation does). Source: HL7 2.5.1 appendix A; ZDS from IHE RAD TF-2 4.4.
"""

from __future__ import annotations

SEGMENT_NAMES: dict[str, str] = {
    "AIG": "Appointment Information - General Resource",
    "AIL": "Appointment Information - Location Resource",
    "AIP": "Appointment Information - Personnel Resource",
    "AIS": "Appointment Information",
    "AL1": "Patient Allergy Information",
    "BHS": "Batch Header",
    "BLG": "Billing",
    "BTS": "Batch Trailer",
    "CTD": "Contact Data",
    "CTI": "Clinical Trial Identification",
    "DG1": "Diagnosis",
    "DSC": "Continuation Pointer",
    "ERR": "Error",
    "EVN": "Event Type",
    "FHS": "File Header",
    "FTS": "File Trailer",
    "GT1": "Guarantor",
    "IN1": "Insurance",
    "IN2": "Insurance Additional Information",
    "IN3": "Insurance Additional Information, Certification",
    "IPC": "Imaging Procedure Control",
    "MRG": "Merge Patient Information",
    "MSA": "Message Acknowledgment",
    "MSH": "Message Header",
    "NK1": "Next of Kin / Associated Parties",
    "NTE": "Notes and Comments",
    "OBR": "Observation Request",
    "OBX": "Observation/Result",
    "ORC": "Common Order",
    "PD1": "Patient Additional Demographic",
    "PID": "Patient Identification",
    "PR1": "Procedures",
    "PV1": "Patient Visit",
    "PV2": "Patient Visit - Additional Information",
    "RGS": "Resource Group",
    "ROL": "Role",
    "SCH": "Scheduling Activity Information",
    "SFT": "Software Segment",
    "SPM": "Specimen",
    "TQ1": "Timing/Quantity",
    "TQ2": "Timing/Quantity Relationship",
    "UAC": "User Authentication Credential",
    "ZDS": "Study Instance UID",
}


def segment_name(name: str) -> str:
    """The long name, "Site-defined segment" for unknown Z segments, "" for anything else unknown."""
    return SEGMENT_NAMES.get(name) or ("Site-defined segment" if name.startswith("Z") else "")
