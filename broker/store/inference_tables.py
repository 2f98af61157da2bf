"""The tables of what was said about steps in place of a device, and of the watch over steps that never end.

``tables`` brings them in, so that its metadata is whole.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, text

from broker.store.schema import Key, key, metadata, refers, text_column
from broker.store.types import UtcDateTime

# what people, messages and rules said about a step; the newest that stands counts until a device says otherwise
step_inference = Table(
    "step_inference",
    metadata,
    key(),
    refers("step_id", "scheduled_procedure_step", index=False),
    # ARRIVED, STARTED, COMPLETED or DISCONTINUED, and what the step was when it was said
    Column("status", String(16), nullable=False),
    Column("before_status", String(16), nullable=False),
    # bare code for DCM, else ``code^scheme``; only with DISCONTINUED
    text_column("discontinuation_code"),
    text_column("discontinuation_meaning"),
    text_column("note"),
    # who said it, by kind (sender, person, rule) and name
    Column("source", String(12), nullable=False),
    text_column("said_by"),
    Column("said_at", UtcDateTime, nullable=False),
    text_column("withdrawn_by"),
    Column("withdrawn_at", UtcDateTime),
    Index(
        "ix_step_inference_standing", "step_id",
        sqlite_where=text("withdrawn_at is null"), postgresql_where=text("withdrawn_at is null"),
    ),
)  # fmt: skip

# which exams spoke after an inference: as long as one of them is linked and not void, the device's word counts
step_inference_overruled = Table(
    "step_inference_overruled",
    metadata,
    Column("inference_id", Key, ForeignKey("step_inference.id"), primary_key=True, autoincrement=False),
    Column("performed_id", Key, ForeignKey("performed_procedure_step.id"), primary_key=True, autoincrement=False),
)

# steps in progress of which nothing was heard for longer than the site expects
stuck_step = Table(
    "stuck_step",
    metadata,
    Column("step_id", Key, ForeignKey("scheduled_procedure_step.id"), primary_key=True, autoincrement=False),
    # when somebody last said something about it
    Column("silent_since", UtcDateTime, nullable=False),
    Column("limit_minutes", Integer, nullable=False),
    Column("found_at", UtcDateTime, nullable=False),
    # a person said that the exam still runs: nobody is asked again before
    Column("postponed_until", UtcDateTime),
)

# which process does a job that only one may do at a time; nobody else before ``until``
job_lease = Table(
    "job_lease",
    metadata,
    Column("name", String(32), primary_key=True),
    text_column("owner"),
    Column("until", UtcDateTime, nullable=False),
)
