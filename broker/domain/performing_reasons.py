"""Why an exam was discontinued, and what that means for the step (MPPS reference, section 5; PS3.16 CID 9300).

Any code of any scheme is accepted and kept; only the consequence is looked up here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from broker.domain import dicom_json
from broker.domain.performed_table import TAG


class Consequence(StrEnum):
    """What becomes of the scheduled step."""

    #: back on the worklist with the status it had before
    RETURNS = "returns"
    #: off the worklist
    DISCONTINUED = "discontinued"
    #: off the worklist until a person decides
    MANUAL = "manual"


#: codes of the scheme DCM
CONSEQUENCES: Mapping[str, Consequence] = {
    **dict.fromkeys(
        ("110501", "110506", "110507", "110514", "110515", "110516", "110526", "110527", "110528", "110529"),
        Consequence.RETURNS,
    ),
    **dict.fromkeys(
        ("110500", "110502", "110503", "110504", "110505", "110508", "110509", "110510", "110511", "110512", "113568"),
        Consequence.DISCONTINUED,
    ),
    **dict.fromkeys(
        ("110513", "110521", "110522", "110523", "110524", "110530", "110533"),
        Consequence.MANUAL,
    ),
}
#: Incorrect worklist entry selected: the exam never happened for this patient (MPPS reference, section 6.5)
WRONG_ENTRY = "110514"
#: the meanings people choose from (PS3.16 CID 9300); the codes of ``CONSEQUENCES`` that have an everyday use
MEANINGS: Mapping[str, str] = {
    "110514": "Incorrect worklist entry selected",
    "110500": "Doctor canceled procedure",
    "110501": "Equipment failure",
    "110502": "Incorrect procedure ordered",
    "110503": "Patient allergic to media/contrast",
    "110504": "Patient died",
    "110505": "Patient refused to continue procedure",
    "110506": "Patient taken for treatment or surgery",
    "110507": "Patient did not arrive",
    "110508": "Patient pregnant",
    "110513": "Discontinued for unspecified reason",
}


@dataclass(frozen=True, slots=True)
class DiscontinuationReason:
    """The first item of the discontinuation reason code sequence."""

    code: str = ""
    scheme: str = ""
    meaning: str = ""

    @property
    def key(self) -> str:
        """How the reason is kept: the bare code for DCM, ``code^scheme`` for any other scheme, empty for none."""
        return self.code if not self.code or self.scheme in {"DCM", ""} else f"{self.code}^{self.scheme}"


def reason_of(dataset: dicom_json.Dataset) -> DiscontinuationReason:
    """The reason that a data set gives; an empty one when it gives none."""
    for item in dicom_json.items(dataset, TAG["PerformedProcedureStepDiscontinuationReasonCodeSequence"]):
        codes = (dicom_json.text(item, TAG[k]) for k in ("CodeValue", "LongCodeValue", "URNCodeValue"))
        code = next((c for c in codes if c), "")
        scheme = dicom_json.text(item, TAG["CodingSchemeDesignator"])
        return DiscontinuationReason(code, scheme, dicom_json.text(item, TAG["CodeMeaning"]))
    return DiscontinuationReason()


def consequence(key: str, site: Mapping[str, Consequence]) -> Consequence:
    """What the reason kept as ``key`` means: the site's choice, else the table, else discontinued."""
    return site.get(key) or CONSEQUENCES.get(key, Consequence.DISCONTINUED)
