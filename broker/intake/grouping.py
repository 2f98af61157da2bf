"""Taking an order message apart into order groups, whatever order its segments come in (HL7 inbound reference 5.1).

Owns: which segments belong to which order.  Must not: read values, beyond segment names.

A group starts at each ORC, or at an OBR that follows an OBR without an ORC between.  NTE, OBX, DG1, TQ1, IPC and ZDS
belong to the last group; what stands before the first group, and every AL1, belongs to all; so does a single ZDS at the
end.
"""

from dataclasses import dataclass, field

from broker.intake.pieces import Index, Scope
from hl7.elements import Field
from hl7.message import Segment

_PATIENT = ("MSH", "EVN", "PID", "PD1", "PV1", "PV2", "AL1")


@dataclass(slots=True)
class OrderGroup:
    """The segments of one ORC/OBR pair; ``common`` are those of the whole message."""

    index: Index
    common: list[Segment]
    orc: Segment | None = None
    obr: Segment | None = None
    ais: Segment | None = None
    segments: list[Segment] = field(default_factory=list)
    _scopes: list[Scope] | None = None

    @property
    def where(self) -> str:
        """The segment that began it, for refusals: ``ORC`` or ``ORC[2]``."""
        begin = self.orc or self.obr or self.ais
        if begin is None:
            return "SCH" if self.index.message.first("SCH") is not None else "ORC"
        occurrence = self.index.occurrence[begin.line]
        return begin.name if occurrence == 1 else f"{begin.name}[{occurrence}]"

    @property
    def service(self) -> Field | None:
        """The universal service identifier: OBR-4, or AIS-3 of an appointment."""
        if self.obr is not None:
            return self.obr.field(4)
        return None if self.ais is None else self.ais.field(3)

    def scope(self, *others: "OrderGroup") -> Scope:
        """Everything the order may be read from, with ``others`` of the same order."""
        segments = {s.line: s for group in (self, *others) for s in group.segments}
        return Scope(self.index, [*self.common, *segments.values()])

    def step_scopes(self) -> list[Scope]:
        """One scope for each step: each IPC on its own (OMI), else the whole group.  Asked when the group is whole."""
        if self._scopes is None:
            self._scopes = self._step_scopes()
        return self._scopes

    def _step_scopes(self) -> list[Scope]:
        ipcs = [s for s in self.segments if s.name == "IPC"]
        if not ipcs:
            return [self.scope()]
        rest = [*self.common, *(s for s in self.segments if s.name != "IPC")]
        return [Scope(self.index, [*rest, ipc]) for ipc in ipcs]


def patient_scope(index: Index) -> Scope:
    """The whole message, for messages about a patient alone."""
    return Scope(index, index.message)


def order_groups(index: Index) -> list[OrderGroup]:
    """The order groups of a message, in order."""
    common: list[Segment] = []
    groups: list[OrderGroup] = []
    for segment in index.message:
        present = groups[-1] if groups else None
        if segment.name == "ORC":
            groups.append(OrderGroup(index, common, orc=segment, segments=[segment]))
        elif segment.name == "OBR" and (present is None or present.obr is not None):
            groups.append(_continued(index, common, present, segment))
        elif present is None or segment.name in _PATIENT:
            common.append(segment)
        else:
            present.segments.append(segment)
            if segment.name == "OBR":
                present.obr = segment
    _share_single_zds(groups)
    return groups


def appointment_groups(index: Index) -> list[OrderGroup]:
    """The services of an appointment (SIU): one group for each AIS with the resources after it, else the whole."""
    common: list[Segment] = []
    groups: list[OrderGroup] = []
    for segment in index.message:
        if segment.name == "AIS":
            groups.append(OrderGroup(index, common, ais=segment, segments=[segment]))
        elif segment.name in ("AIG", "AIL", "AIP", "NTE") and groups:
            groups[-1].segments.append(segment)
        elif segment.name != "RGS":
            common.append(segment)
    return groups or [OrderGroup(index, common)]


def patient_groups(index: Index) -> list[Scope]:
    """The PID of a message about several patients, each with what follows it (MRG, PV1)."""
    common: list[Segment] = []
    groups: list[list[Segment]] = []
    for segment in index.message:
        if segment.name == "PID":
            groups.append([segment])
        else:
            (groups[-1] if groups else common).append(segment)
    return [Scope(index, [*common, *group]) for group in groups]


def _continued(index: Index, common: list[Segment], before: OrderGroup | None, obr: Segment) -> OrderGroup:
    """A further OBR under the same ORC: it keeps what stood between that ORC and its first OBR."""
    if before is None or before.orc is None:
        return OrderGroup(index, common, obr=obr, segments=[obr])
    head = [s for s in before.segments if before.obr is not None and s.line < before.obr.line and s.name != "OBR"]
    return OrderGroup(index, common, orc=before.orc, obr=obr, segments=[*head, obr])


def _share_single_zds(groups: list[OrderGroup]) -> None:
    found = [s for group in groups for s in group.segments if s.name == "ZDS"]
    if len(groups) > 1 and len(found) == 1 and found[0] in groups[-1].segments:
        for group in groups[:-1]:
            group.segments.append(found[0])
