"""The table of Instance Availability Notifications received.

``tables`` brings it in, so that its metadata is whole.
"""

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text, text

from broker.store.schema import Json, key, metadata, refers, text_column
from broker.store.types import UtcDateTime

# what archives told about images: each notification exactly as received, and what it says
availability_notice = Table(
    "availability_notice",
    metadata,
    key(),
    Column("sop_instance_uid", Text, nullable=False, unique=True),
    text_column("calling_ae_title"),
    text_column("transfer_syntax_uid"),
    Column("dataset", LargeBinary, nullable=False),
    text_column("study_instance_uid", index=True),
    # the performed step it names; known or not
    text_column("performed_uid"),
    # the instances, grouped by series, availability and place
    Column("instances", Json, nullable=False),
    Column("instance_count", Integer, nullable=False),
    # AE titles with a backslash between, as DICOM writes them
    text_column("retrieve_ae_titles"),
    Column("received_at", UtcDateTime, nullable=False),
    # linked: to an exam or an order; open: it belongs to none that is known; aside: a person decided that it has none
    Column("state", String(8), nullable=False),
    refers("performed_id", "performed_procedure_step", nullable=True),
    # when the rule that concludes silent exams has looked at it
    Column("weighed_at", UtcDateTime),
    Index(
        "ix_availability_notice_open", "received_at",
        sqlite_where=text("state = 'open'"), postgresql_where=text("state = 'open'"),
    ),
    Index(
        "ix_availability_notice_unweighed", "received_at",
        sqlite_where=text("weighed_at is null"), postgresql_where=text("weighed_at is null"),
    ),
)  # fmt: skip
