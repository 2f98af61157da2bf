"""Protocol records of many exams as CSV: one line per reported value, as RIS and charging take them in."""

import csv
import io
from collections.abc import Iterable
from datetime import date

from broker.domain.protocol_record import Entry, read
from broker.services.context import Context
from broker.store import exam_export as store
from broker.store.database import Connection

HEADINGS = (
    "exam", "accession_number", "patient_id", "station", "modality", "status", "corrected", "started", "ended",
    "section", "name", "value", "unit", "code", "scheme", "note",
)  # fmt: skip
#: a spreadsheet would take a cell that begins so for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(context: Context, first: date, last: date) -> tuple[str, int]:
    """The CSV (RFC 4180, UTF-8, with headings) of every exam started on these days, and how many exams it holds.

    An exam without any reported value has one line of its own.
    """

    def work(connection: Connection) -> tuple[str, int]:
        text, count = io.StringIO(), 0
        writer = csv.writer(text)
        writer.writerow(HEADINGS)
        for exam in store.started_between(connection, f"{first:%Y%m%d}000000", f"{last:%Y%m%d}235959"):
            count += 1
            for entry in read(exam.dataset) or (None,):
                writer.writerow([_safe(cell) for cell in _cells(exam, entry)])
        return text.getvalue(), count

    return context.database.read(work)


def _cells(exam: store.ExportedExam, entry: Entry | None) -> Iterable[str]:
    yield from (exam.sop_instance_uid, exam.accession_number, exam.patient_id, exam.station, exam.modality)
    yield from (exam.status, "yes" if exam.corrected else "no", _moment(exam.started_at), _moment(exam.ended_at))
    if entry is not None:
        yield from (entry.section.value, entry.name, entry.value, entry.unit, entry.code, entry.scheme, entry.note)
    else:
        yield from [""] * 7


def _moment(digits: str) -> str:
    """YYYYMMDDHHMMSS as ISO 8601 without a zone: it is the device's wall time."""
    if len(digits) != 14:
        return digits
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:]}"


def _safe(cell: str) -> str:
    """Text that no spreadsheet runs as a formula; numbers stay numbers."""
    if not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return "'" + cell
    return cell
