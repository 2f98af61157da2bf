"""From settings to what the rooms take: the site's rules and the context of use cases."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from broker.clock import now
from broker.destination_settings import (
    DestinationSettings,
    Hl7Destination,
    IanDestination,
    MppsDestination,
    MppsEventDestination,
)
from broker.domain.model import FactKind
from broker.domain.notifications import DestinationRule, Forwards
from broker.domain.performing import PerformedPolicy
from broker.domain.performing_reasons import Consequence
from broker.domain.scheduling import OrderPolicy
from broker.domain.site import Site
from broker.domain.states import Reopening, StepStatus
from broker.domain.stuck import StuckPolicy
from broker.services.context import Context
from broker.settings import SenderSettings, Settings
from broker.store.database import Database

#: the words of ``destinations.events`` and the facts they stand for
EVENTS = {
    "placed": FactKind.ORDER_PLACED,
    "changed": FactKind.ORDER_CHANGED,
    "canceled": FactKind.ORDER_CANCELED,
    "held": FactKind.ORDER_HELD,
    "released": FactKind.ORDER_RELEASED,
    "started": FactKind.ORDER_STARTED,
    "completed": FactKind.ORDER_COMPLETED,
    "discontinued": FactKind.ORDER_DISCONTINUED,
    "returned": FactKind.ORDER_RETURNED,
    "corrected": FactKind.ORDER_CORRECTED,
    "reported": FactKind.ORDER_REPORTED,
    "patient_updated": FactKind.PATIENT_UPDATED,
    "patient_merged": FactKind.PATIENT_MERGED,
    "exam_started": FactKind.PERFORMED_STARTED,
    "exam_updated": FactKind.PERFORMED_UPDATED,
    "exam_completed": FactKind.PERFORMED_COMPLETED,
    "exam_discontinued": FactKind.PERFORMED_DISCONTINUED,
    "exam_unmatched": FactKind.PERFORMED_UNMATCHED,
    "study_available": FactKind.STUDY_AVAILABLE,
    "study_partly_available": FactKind.STUDY_PARTLY_AVAILABLE,
    "study_unmatched": FactKind.STUDY_UNMATCHED,
    "exam_stuck": FactKind.STEP_STUCK,
}


def heard(destination: DestinationSettings, senders: Iterable[SenderSettings]) -> frozenset[str]:
    """The senders whose orders a destination is told of: those it names, and those of its sites; empty for all.

    Raises ValueError when there is none.
    """
    named = frozenset(destination.senders)
    if not destination.sites:
        return named
    local = {sender.name for sender in senders if sender.site in destination.sites}
    found = frozenset(local & named if named else local)
    if not found:
        text = "no sender has one of these sites; give it as site under [[senders]]"
        raise ValueError("none of senders is of these sites" if local else text)
    return found


def make_rule(destination: DestinationSettings, senders: Iterable[SenderSettings] = ()) -> DestinationRule:
    """What a destination of the settings wants to be told.  Raises ValueError as ``heard``."""
    common: dict[str, Any] = {
        "name": destination.name,
        "kind": destination.kind,
        "modalities": frozenset(destination.modalities),
        "senders": heard(destination, senders),
        "alarm_after": timedelta(minutes=destination.alarm_minutes) if destination.alarm_minutes else None,
    }
    if isinstance(destination, MppsDestination | IanDestination):
        forwards = Forwards.PERFORMED if isinstance(destination, MppsDestination) else Forwards.AVAILABILITY
        not_from = frozenset({destination.ae_title, *destination.not_from})
        return DestinationRule(**common, events=frozenset(), forwards=forwards, not_from=not_from)
    if isinstance(destination, MppsEventDestination):
        kinds = frozenset(EVENTS[event] for event in destination.events)
        return DestinationRule(**common, events=frozenset(), forwards=Forwards.EVENTS, kinds=kinds)
    if isinstance(destination, Hl7Destination) and destination.profile == "raw":
        return DestinationRule(**common, events=frozenset(), forwards=Forwards.MESSAGES)
    events = frozenset(EVENTS[event] for event in destination.events)
    return DestinationRule(**common, events=events, latest_only=destination.latest_only)


def make_site(settings: Settings) -> Site:
    """The rules of the site as the settings have them."""
    intake = settings.intake
    return Site(
        zone=ZoneInfo(settings.site.timezone),
        orders=OrderPolicy(
            unknown_change=intake.unknown_change,
            known_new=intake.known_new,
            unknown_cancel=intake.unknown_cancel,
            cancel_after_start=intake.cancel_after_start,
            unknown_appointment=intake.unknown_appointment,
            canceled_appointment=intake.canceled_appointment,
            arrival=intake.arrival,
            final_report=intake.final_report,
        ),
        performed=make_performed_policy(settings),
        accession_prefix=settings.site.accession_prefix,
        orders_update_patients=intake.orders_update_patients,
        shown=frozenset(StepStatus(s) for s in settings.worklist.shown),
        destinations=tuple(make_rule(d, settings.senders) for d in settings.destinations),
        alarm_after=timedelta(minutes=settings.delivery.alarm_minutes) if settings.delivery.alarm_minutes else None,
        stuck=make_stuck_policy(settings),
    )


def make_stuck_policy(settings: Settings) -> StuckPolicy:
    """How long exams may run without a word; 0 hours in the settings mean for ever."""
    stuck = settings.performed.stuck

    def limit(hours: float) -> timedelta | None:
        return timedelta(hours=hours) if hours else None

    return StuckPolicy(
        limit(stuck.hours),
        {modality: limit(hours) for modality, hours in stuck.modalities.items()},
        {code: limit(hours) for code, hours in stuck.codes.items()},
        limit(stuck.apply_after),
        StepStatus[stuck.apply.upper()],
    )


def make_performed_policy(settings: Settings) -> PerformedPolicy:
    """How MPPS is taken; what a device is listed to tolerate holds even where the site is strict."""
    performed = settings.performed
    return PerformedPolicy(
        tolerate=frozenset() if performed.strict else frozenset(performed.tolerate),
        reasons={code: Consequence(means) for code, means in performed.reasons.items()},
        devices={d.ae_title: frozenset(d.tolerate) for d in settings.devices if d.tolerate},
        reopen=Reopening(performed.reopen),
        conclude_by_images=timedelta(minutes=performed.conclude_by_images) if performed.conclude_by_images else None,
    )


def open_context(settings: Settings) -> Context:
    """The context of use cases on the database of ``settings``.  Close its database when done."""
    database = Database(settings.database_url, pool_size=settings.database.pool_size)
    return Context(database, make_site(settings), now)
