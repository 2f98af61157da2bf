"""The tables of what people settle about exams: the reconciliation queue, corrections, and what devices were let pass.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, Text, text

from broker.store.schema import key, metadata, refers, text_column
from broker.store.types import UtcDateTime

# what a device named and no step was found for: one row for each such item of an exam, kept once it is settled
unmatched_reference = Table(
    "unmatched_reference",
    metadata,
    key(),
    refers("performed_id", "performed_procedure_step"),
    # position of the item in the Scheduled Step Attributes Sequence, from 1; 0: a person unlinked the exam
    Column("item", Integer, nullable=False),
    text_column("study_instance_uid"),
    text_column("accession_number"),
    text_column("requested_procedure_id"),
    text_column("scheduled_procedure_step_id"),
    # open, linked, or aside: a person decided that it has no order
    Column("state", String(8), nullable=False),
    # false after a person touched it: only people link it then
    Column("automatic", Boolean, nullable=False),
    refers("step_id", "scheduled_procedure_step", nullable=True, index=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(
        "ix_unmatched_reference_open", "performed_id",
        sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"),
    ),
    Index("ix_unmatched_reference_study", "study_instance_uid"),
    Index("ix_unmatched_reference_accession", "accession_number"),
    Index("ix_unmatched_reference_procedure", "requested_procedure_id"),
    Index("ix_unmatched_reference_step", "scheduled_procedure_step_id"),
)  # fmt: skip

# what staff say about an exam in place of what the device said; at most one without withdrawn_at per exam
performed_correction = Table(
    "performed_correction",
    metadata,
    key(),
    refers("performed_id", "performed_procedure_step"),
    Column("status", String(16), nullable=False),
    text_column("discontinuation_code"),
    text_column("discontinuation_meaning"),
    # empty: as the device said; local wall time, YYYYMMDDHHMMSS
    text_column("started_at"),
    text_column("ended_at"),
    text_column("note"),
    # the exam was in progress: the device's own final word ends the correction
    Column("provisional", Boolean, nullable=False),
    text_column("made_by"),
    Column("made_at", UtcDateTime, nullable=False),
    text_column("withdrawn_by"),
    Column("withdrawn_at", UtcDateTime),
)

# breaches of the standard that were let pass in MPPS, counted by device, quirk and place
device_toleration = Table(
    "device_toleration",
    metadata,
    Column("calling_ae_title", String(16), primary_key=True),
    Column("quirk", String(40), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
)
