"""A message taken apart with the names of the standard, in a process of its own.

Owns: the worker process: hl7apy's dictionaries and checks take long enough to make other messages wait.
Must not: map or store.  ``describe`` runs anywhere; ``Describer`` runs it aside.
"""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from broker.services.examination import Description, FieldView, FindingView, SegmentView
from hl7.elements import Presence
from hl7.errors import Hl7Error, Location
from hl7.message import Message, Segment
from hl7.parsing import parse

_SECONDS = 30


def describe(raw: bytes, override: str | None = None, fallback: str | None = "8859/1") -> Description:
    """The segments and fields of a message, and where it departs from the standard."""
    from hl7 import validation  # the dictionaries load slowly: only in processes that describe

    try:
        message = parse(raw, charset_override=override, charset_fallback=fallback)
    except Hl7Error as error:
        return Description(problem=str(error))
    findings = tuple(FindingView(f.severity.value, str(f.location), f.text) for f in validation.check(message))
    return Description(tuple(_segments(message)), findings)


def _segments(message: Message) -> list[SegmentView]:
    counts: dict[str, int] = {}
    views = []
    for segment in message:
        counts[segment.name] = counts.get(segment.name, 0) + 1
        views.append(_segment(segment, counts[segment.name], message.version))
    return views


def _segment(segment: Segment, occurrence: int, version: str) -> SegmentView:
    from hl7 import validation
    from hl7.segment_names import SEGMENT_NAMES

    fields = []
    for number in range(1, len(segment.fields)):
        field = segment.field(number)
        if field.presence is Presence.ABSENT:
            continue
        known = validation.field_definition(segment.name, number, version)
        place = str(Location(segment.name, occurrence, number))
        name, datatype = (known.name, known.datatype) if known else ("", "")
        fields.append(FieldView(number, name, datatype, segment.fields[number], place))
    title = SEGMENT_NAMES.get(segment.name, "")
    return SegmentView(segment.name, title, occurrence, segment.raw, tuple(fields))


class Describer:
    """Runs ``describe`` in one worker process, started when first needed.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def describe(self, raw: bytes, override: str | None = None, fallback: str | None = "8859/1") -> Description:
        """As ``describe``; a worker that died is replaced once."""
        try:
            return self._running().submit(describe, raw, override, fallback).result(_SECONDS)
        except BrokenProcessPool:
            self.close()
            return self._running().submit(describe, raw, override, fallback).result(_SECONDS)

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                # spawn: a fork of a process with threads may inherit locks nobody releases
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, mp_context=context)
            return self._pool

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
