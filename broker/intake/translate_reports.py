"""Result messages (ORU) into news of a report: that there is one and its status, never what it says.

Owns: which orders an ORU is about.  Must not: keep report text.
"""

from broker.domain.attributes import Level
from broker.domain.requests import ReportChange
from broker.intake.grouping import order_groups
from broker.intake.order_parts import Reader
from broker.intake.pieces import Index
from broker.intake.translation import ChangeTrace, Translation, occurred_at
from hl7.errors import Location


def translate_report(index: Index, reader: Reader, translation: Translation) -> None:
    """One change for each OBR with a number of an order."""
    groups = [group for group in order_groups(index) if group.obr is not None]
    if not groups:
        translation.refuse("OBR", Location("OBR"), "100", "a result message needs OBR")
    for group in groups:
        request = reader.level(Level.REQUEST, group.scope())
        translation.problems += request.problems
        obr = group.obr
        if obr is None:
            continue
        at = occurred_at(index.message, reader.env, obr.text(22))
        change = ReportChange(
            request.identifier("PlacerOrderNumberImagingServiceRequest"),
            request.identifier("FillerOrderNumberImagingServiceRequest"),
            request.identifier("AccessionNumber"), obr.text(25).upper()[:4], group.where, at,
        )  # fmt: skip
        translation.changes.append(change)
        translation.traces.append(ChangeTrace(group.where, "report", {"order": request.trace}))
