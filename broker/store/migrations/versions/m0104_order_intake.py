"""What intake must remember to take messages in any order: times of statements, merges, appointments, early news."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0104"
down_revision = "0107"
branch_labels = None
depends_on = None

_STATED = ("patient", "visit", "imaging_service_request")


def _create_patient_merge() -> None:
    op.create_table(
        "patient_merge",
        columns.key(),
        columns.refers("prior_id", "patient_merge", "patient"),
        columns.refers("survivor_id", "patient_merge", "patient"),
        columns.refers("journal_id", "patient_merge", "journal_entry", nullable=True),
        sa.Column("moved", columns.JSON, nullable=False),
        sa.Column("merged_at", columns.TIME, nullable=False),
        sa.Column("undone_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_patient_merge"),
    )
    op.create_index("ix_patient_merge_prior_id", "patient_merge", ["prior_id"])
    op.create_index("ix_patient_merge_survivor_id", "patient_merge", ["survivor_id"])


def _create_appointment() -> None:
    op.create_table(
        "appointment",
        columns.key(),
        columns.refers("request_id", "appointment", "imaging_service_request"),
        columns.text("number"),
        columns.text("scope"),
        sa.PrimaryKeyConstraint("id", name="pk_appointment"),
        sa.UniqueConstraint("number", "scope", "request_id", name="uq_appointment_number"),
    )
    op.create_index("ix_appointment_request_id", "appointment", ["request_id"])


def _create_early_cancellation() -> None:
    op.create_table(
        "early_cancellation",
        columns.key(),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("occurred_at", columns.TIME, nullable=True),
        columns.refers("journal_id", "early_cancellation", "journal_entry", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_early_cancellation"),
        sa.UniqueConstraint("number", "scope", name="uq_early_cancellation_number"),
    )


def upgrade() -> None:
    """Add the columns and create the tables."""
    for table in _STATED:
        op.add_column(table, sa.Column("stated", sa.JSON, nullable=True))
    _create_patient_merge()
    _create_appointment()
    _create_early_cancellation()


def downgrade() -> None:
    """Drop them."""
    for table in ("early_cancellation", "appointment", "patient_merge"):
        op.drop_table(table)
    for table in _STATED:
        with op.batch_alter_table(table) as changed:
            changed.drop_column("stated")
