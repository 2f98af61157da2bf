"""Performed steps, the journal, the history and the outbox."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _create_journal_entry() -> None:
    op.create_table(
        "journal_entry",
        columns.key(),
        sa.Column("received_at", columns.TIME, nullable=False),
        columns.text("sender"),
        columns.text("peer"),
        columns.text("control_id"),
        columns.text("message_type"),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        columns.text("error_code"),
        columns.text("error_location"),
        columns.text("error_text"),
        sa.Column("acknowledgement", sa.LargeBinary, nullable=True),
        sa.Column("changes", columns.JSON, nullable=True),
        sa.Column("seconds", sa.JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_journal_entry"),
    )
    op.create_index("ix_journal_entry_duplicate", "journal_entry", ["sender", "control_id", "digest"])
    op.create_index("ix_journal_entry_outcome", "journal_entry", ["outcome"])
    op.create_index("ix_journal_entry_received_at", "journal_entry", ["received_at"])


def _create_performed_procedure_step() -> None:
    op.create_table(
        "performed_procedure_step",
        columns.key(),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        columns.text("calling_ae_title"),
        columns.text("performed_station_ae_title"),
        columns.text("modality"),
        columns.text("patient_id_value"),
        columns.text("accession_number"),
        columns.text("discontinuation_code"),
        columns.text("started_at"),
        columns.text("ended_at"),
        sa.Column("dataset", columns.JSON, nullable=False),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("updated_at", columns.TIME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_performed_procedure_step"),
        sa.UniqueConstraint("sop_instance_uid", name="uq_performed_procedure_step_sop_instance_uid"),
    )


def _create_performed_message() -> None:
    op.create_table(
        "performed_message",
        columns.key(),
        columns.refers("performed_id", "performed_message", "performed_procedure_step"),
        sa.Column("service", sa.String(8), nullable=False),
        columns.text("calling_ae_title"),
        columns.text("transfer_syntax_uid"),
        sa.Column("dataset", sa.LargeBinary, nullable=False),
        sa.Column("received_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_performed_message"),
    )
    op.create_index("ix_performed_message_performed_id", "performed_message", ["performed_id"])


def _create_event() -> None:
    op.create_table(
        "event",
        columns.key(),
        sa.Column("at", columns.TIME, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("source", sa.String(12), nullable=False),
        columns.text("actor"),
        columns.refers("patient_id", "event", "patient", nullable=True),
        columns.refers("request_id", "event", "imaging_service_request", nullable=True),
        columns.refers("step_id", "event", "scheduled_procedure_step", nullable=True),
        columns.refers("performed_id", "event", "performed_procedure_step", nullable=True),
        columns.refers("journal_id", "event", "journal_entry", nullable=True),
        sa.Column("data", columns.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_at", "event", ["at"])
    op.create_index("ix_event_journal_id", "event", ["journal_id"])
    op.create_index("ix_event_patient_id", "event", ["patient_id"])
    op.create_index("ix_event_performed_id", "event", ["performed_id"])
    op.create_index("ix_event_request_id", "event", ["request_id"])
    op.create_index("ix_event_step_id", "event", ["step_id"])


def _create_step_link() -> None:
    op.create_table(
        "step_link",
        columns.key(),
        columns.refers("performed_id", "step_link", "performed_procedure_step"),
        columns.refers("step_id", "step_link", "scheduled_procedure_step"),
        sa.Column("origin", sa.String(8), nullable=False),
        columns.text("rule"),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_step_link"),
        sa.UniqueConstraint("performed_id", "step_id", name="uq_step_link_performed_id_step_id"),
    )
    op.create_index("ix_step_link_performed_id", "step_link", ["performed_id"])
    op.create_index("ix_step_link_step_id", "step_link", ["step_id"])


def _create_outbox_entry() -> None:
    op.create_table(
        "outbox_entry",
        columns.key(),
        sa.Column("message_id", sa.String(20), nullable=False),
        columns.text("destination"),
        columns.text("subject"),
        sa.Column("kind", sa.String(40), nullable=False),
        columns.refers("request_id", "outbox_entry", "imaging_service_request", nullable=True),
        columns.refers("event_id", "outbox_entry", "event", nullable=True),
        sa.Column("payload", columns.JSON, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", columns.TIME, nullable=False),
        columns.text("claimed_by"),
        sa.Column("claimed_until", columns.TIME, nullable=True),
        columns.text("last_error"),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("finished_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_entry"),
        sa.UniqueConstraint("message_id", name="uq_outbox_entry_message_id"),
    )
    op.create_index(
        "ix_outbox_entry_due",
        "outbox_entry",
        ["destination", "due_at"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("ix_outbox_entry_event_id", "outbox_entry", ["event_id"])
    op.create_index("ix_outbox_entry_request_id", "outbox_entry", ["request_id"])
    op.create_index(
        "ix_outbox_entry_waiting",
        "outbox_entry",
        ["destination", "subject", "id"],
        sqlite_where=sa.text("state in ('pending', 'parked')"),
        postgresql_where=sa.text("state in ('pending', 'parked')"),
    )


def _create_outbox_attempt() -> None:
    op.create_table(
        "outbox_attempt",
        columns.key(),
        columns.refers("entry_id", "outbox_attempt", "outbox_entry"),
        sa.Column("at", columns.TIME, nullable=False),
        sa.Column("result", sa.String(12), nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        columns.text("detail"),
        sa.Column("answer", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_attempt"),
    )
    op.create_index("ix_outbox_attempt_entry_id", "outbox_attempt", ["entry_id"])


def upgrade() -> None:
    """Create the tables."""
    _create_journal_entry()
    _create_performed_procedure_step()
    _create_performed_message()
    _create_event()
    _create_step_link()
    _create_outbox_entry()
    _create_outbox_attempt()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "outbox_attempt",
        "outbox_entry",
        "step_link",
        "event",
        "performed_message",
        "performed_procedure_step",
        "journal_entry",
    ):
        op.drop_table(table)
