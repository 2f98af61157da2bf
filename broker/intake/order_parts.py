"""One order group read: the procedure and steps it speaks of, completed by the catalogue and the default stations.

Owns: what a group contributes to an order, with the trace.  Must not: merge groups into orders (``translate``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from broker.domain.attributes import Level, Value, text
from broker.domain.step_times import end_after
from broker.intake.catalogue import Catalogue, CatalogueStep
from broker.intake.codes import code_item
from broker.intake.environment import Environment
from broker.intake.grouping import OrderGroup
from broker.intake.mapping import evaluate
from broker.intake.pieces import Scope
from broker.intake.rules import Mapped, Origin, Problem, SenderMapping, Traced
from broker.intake.stations import DefaultStations
from broker.services.unmapped import CodeSeen
from hl7.errors import Location


@dataclass(frozen=True, slots=True)
class Site:
    """What intake knows of the site beside a sender's mapping."""

    catalogue: Catalogue = field(default_factory=Catalogue)
    stations: DefaultStations = field(default_factory=DefaultStations)


@dataclass(slots=True)
class StepPart:
    """What a group says of one step."""

    mapped: Mapped
    derived: dict[str, Value] = field(default_factory=dict)

    @property
    def step_id(self) -> str | None:
        """The scheduled procedure step ID, when the group names one."""
        return self.mapped.text("ScheduledProcedureStepID")


@dataclass(slots=True)
class ProcedurePart:
    """What a group says of its requested procedure."""

    mapped: Mapped
    derived: dict[str, Value]
    steps: list[StepPart]
    #: the procedure's code, when the catalogue does not have it
    unmapped: CodeSeen | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads groups with one sender's mapping; ``contents`` is False when only names of steps matter (cancellations)."""

    mapping: SenderMapping
    env: Environment
    site: Site
    contents: bool = True
    creating: bool = True

    def level(self, level: Level, scope: Scope) -> Mapped:
        """The rules of one level applied to a scope; a message without PID says nothing of a patient."""
        if level is Level.PATIENT and not scope.segments.of("PID"):
            return Mapped()
        rules = self.mapping.relevant(level, scope.said, contents=self.contents)
        return evaluate(rules, scope, self.env, creating=self.creating)

    def procedure(self, group: OrderGroup) -> ProcedurePart | None:
        """The procedure of a group; None when it has neither OBR nor IPC nor ZDS.

        An appointment without services (AIS) has no segments of its own: its time is the order's.
        """
        scopes = group.step_scopes()
        spoken = ("OBR", "IPC", "ZDS", "AIS")
        if group.segments and not any(segment.name in spoken for segment in group.segments):
            return None
        mapped = self.level(Level.PROCEDURE, scopes[0])
        steps = [StepPart(self.level(Level.STEP, scope)) for scope in scopes]
        if not self.contents:
            named = [StepPart(step.mapped, dict(step.mapped.weak)) for step in steps]
            return ProcedurePart(mapped, {}, [s for s in named if s.step_id or s.mapped.values or s.derived])
        known = self._catalogued(group)
        planned = self._planned(steps, known)
        for step, entry in planned:
            self._complete(step, entry, group)
        steps = [step for step, _ in planned]
        derived = dict(mapped.weak)
        if known and known[0].description and "RequestedProcedureDescription" not in mapped.values:
            derived["RequestedProcedureDescription"] = known[0].description
            mapped.trace["RequestedProcedureDescription"] = _CATALOGUE
        return ProcedurePart(mapped, derived, steps, None if known else _unmapped(group, steps))

    def _catalogued(self, group: OrderGroup) -> tuple[CatalogueStep, ...]:
        """The catalogue's steps for the universal service identifier, or its alternate code (OBR-4)."""
        service = group.service
        if service is None:
            return ()
        for first in (1, 4):
            code, scheme = service.part(first), service.part(first + 2)
            found = self.site.catalogue.find(code, scheme) if code else ()
            if found:
                return found
        return ()

    def _planned(
        self, steps: list[StepPart], known: tuple[CatalogueStep, ...]
    ) -> list[tuple[StepPart, CatalogueStep | None]]:
        """Each step with its catalogue row; a group that names no step of its own has as many as the catalogue says."""
        named = len(steps) > 1 or steps[0].step_id or _PROTOCOL in steps[0].mapped.values
        if named or len(known) < 2:
            return [(step, self._entry(step, known)) for step in steps]
        return [(StepPart(_copy(steps[0].mapped)), row) for row in known]

    def _entry(self, step: StepPart, known: tuple[CatalogueStep, ...]) -> CatalogueStep | None:
        """The catalogue row of a step: by protocol code, else the first one."""
        if not known:
            return None
        wanted = _code_values(step.mapped.values.get(_PROTOCOL))
        for row in known:
            if wanted & {code.code for code in row.protocol_codes}:
                return row
        return known[0]

    def _complete(self, step: StepPart, entry: CatalogueStep | None, group: OrderGroup) -> None:
        mapped = step.mapped
        step.derived = dict(mapped.weak)
        if entry is not None:
            elsewhere = _elsewhere(mapped, entry)
            for keyword, value in self._catalogue_values(entry).items():
                if elsewhere and keyword in _OF_STATION:
                    continue
                step.derived[keyword] = value
                if keyword not in mapped.values or (mapped.values[keyword] is None and keyword in _NEEDED):
                    mapped.trace[keyword] = _CATALOGUE
            self._plan_end(step, entry)
            mapped.problems = [replace(p, fatal=False) if p.keyword == "Modality" else p for p in mapped.problems]
        self._reinstate(step, "Modality")
        modality = text({**step.derived, **_stated(mapped)}, "Modality")
        if not modality:
            self._note_missing_modality(mapped, group)
        elif "ScheduledStationAETitle" not in {**step.derived, **_stated(mapped)}:
            self._default_station(step, modality, group)
        self._reinstate(step, "ScheduledStationAETitle")

    def _reinstate(self, step: StepPart, keyword: str) -> None:
        """What no list can do without, deleted by the message: as if it had never been said."""
        values = step.mapped.values
        if keyword in values and values[keyword] is None and keyword in step.derived:
            values[keyword] = step.derived[keyword]

    def _plan_end(self, step: StepPart, entry: CatalogueStep) -> None:
        """The end by the planned length, where the message tells the start and not the end."""
        mapped = step.mapped
        said = {**mapped.defaults, **_stated(mapped)}
        if not entry.duration or any(keyword in mapped.values for keyword in _END):
            return
        end = end_after(said, entry.duration)
        step.derived.update(end)
        mapped.trace.update(dict.fromkeys(end, Traced(Origin.CATALOGUE, f"start and {entry.duration} minutes")))

    def _catalogue_values(self, entry: CatalogueStep) -> dict[str, Value]:
        codes = entry.protocol_codes
        items = [code_item(c.code, c.meaning, c.scheme, "", self.env) for c in codes]
        values: dict[str, Value] = {
            "Modality": entry.modality,
            "ScheduledStationAETitle": list(entry.station_ae_titles),
            "ScheduledStationName": list(entry.station_names),
            "ScheduledProcedureStepLocation": entry.location,
            "RequestedContrastAgent": entry.contrast_agent,
            _PROTOCOL: [item for item in items if item is not None],
            "ScheduledProcedureStepDescription": codes[0].meaning if codes else entry.description,
        }
        self.env.warnings.clear()
        return {keyword: value for keyword, value in values.items() if value}

    def _default_station(self, step: StepPart, modality: str, group: OrderGroup) -> None:
        titles = self.site.stations.of(modality)
        mapped = step.mapped
        if titles:
            step.derived["ScheduledStationAETitle"] = list(titles)
            mapped.trace["ScheduledStationAETitle"] = Traced(Origin.DEFAULT, f"station of modality {modality}")
        elif self.creating or "ScheduledStationAETitle" in mapped.values:
            note = "no station: the item is kept from devices until one is known; set a default station of its modality"
            mapped.problems.append(Problem("ScheduledStationAETitle", note, _place(group, 18)))

    def _note_missing_modality(self, mapped: Mapped, group: OrderGroup) -> None:
        spoken = self.creating or "Modality" in mapped.values
        if spoken and not any(p.keyword == "Modality" for p in mapped.problems):
            note = "no modality: the item is kept from devices; list the procedure code in the catalogue"
            mapped.problems.append(Problem("Modality", note, _place(group, 4)))


_CATALOGUE = Traced(Origin.CATALOGUE, "by procedure code")
_PROTOCOL = "ScheduledProtocolCodeSequence"
_OF_STATION = "ScheduledStationAETitle", "ScheduledStationName", "ScheduledProcedureStepLocation"
_NEEDED = "Modality", "ScheduledStationAETitle"
_END = "ScheduledProcedureStepEndDate", "ScheduledProcedureStepEndTime"


def _elsewhere(mapped: Mapped, entry: CatalogueStep) -> bool:
    """Whether the message gives the step to a station that is none of the catalogue's, with a name of its own."""
    titles = mapped.values.get("ScheduledStationAETitle")
    return isinstance(titles, list) and not {str(title) for title in titles} <= {*entry.station_ae_titles}


def _unmapped(group: OrderGroup, steps: list[StepPart]) -> CodeSeen | None:
    """The universal service identifier as the message has it, and the modality that the message itself says."""
    if group.obr is None:
        return None
    service = group.obr.field(4)
    code = next((service.part(n) for n in (1, 4) if service.part(n)), "")
    place = 1 if service.part(1) else 4
    modality = text(_stated(steps[0].mapped), "Modality")
    return CodeSeen(code, service.part(place + 2).upper(), service.part(place + 1), modality) if code else None


def _place(group: OrderGroup, field_number: int) -> Location:
    segment = group.obr if field_number == 4 else group.orc
    if segment is None:
        return Location("OBR", 1, field_number)
    return Location(segment.name, group.index.occurrence[segment.line], field_number)


def _stated(mapped: Mapped) -> Mapping[str, Value]:
    return {keyword: value for keyword, value in mapped.values.items() if value is not None}


def _copy(mapped: Mapped) -> Mapped:
    return Mapped(
        dict(mapped.values), dict(mapped.weak), dict(mapped.defaults), dict(mapped.identifiers), dict(mapped.trace),
        list(mapped.problems), dict(mapped.chosen),
    )  # fmt: skip


def _code_values(value: Value | None) -> set[str]:
    if value is None or isinstance(value, str | int):
        return set()
    return {text(item, "CodeValue") for item in value if isinstance(item, Mapping)}
