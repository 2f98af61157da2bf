"""Reconciliation of exams, corrections by staff, and what devices were let pass."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0107"
down_revision = "0105"
branch_labels = None
depends_on = None

_REFERENCE_INDEXES = {
    "ix_unmatched_reference_study": "study_instance_uid",
    "ix_unmatched_reference_accession": "accession_number",
    "ix_unmatched_reference_procedure": "requested_procedure_id",
    "ix_unmatched_reference_step": "scheduled_procedure_step_id",
}


def _create_unmatched_reference() -> None:
    name = "unmatched_reference"
    op.create_table(
        name,
        columns.key(),
        columns.refers("performed_id", name, "performed_procedure_step"),
        sa.Column("item", sa.Integer, nullable=False),
        columns.text("study_instance_uid"),
        columns.text("accession_number"),
        columns.text("requested_procedure_id"),
        columns.text("scheduled_procedure_step_id"),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("automatic", sa.Boolean, nullable=False),
        columns.refers("step_id", name, "scheduled_procedure_step", nullable=True),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index("ix_unmatched_reference_performed_id", name, ["performed_id"])
    is_open = sa.text("state = 'open'")
    op.create_index(
        "ix_unmatched_reference_open", name, ["performed_id"], sqlite_where=is_open, postgresql_where=is_open
    )
    for index, column in _REFERENCE_INDEXES.items():
        op.create_index(index, name, [column])


def _create_performed_correction() -> None:
    name = "performed_correction"
    op.create_table(
        name,
        columns.key(),
        columns.refers("performed_id", name, "performed_procedure_step"),
        sa.Column("status", sa.String(16), nullable=False),
        columns.text("discontinuation_code"),
        columns.text("discontinuation_meaning"),
        columns.text("started_at"),
        columns.text("ended_at"),
        columns.text("note"),
        sa.Column("provisional", sa.Boolean, nullable=False),
        columns.text("made_by"),
        sa.Column("made_at", columns.TIME, nullable=False),
        columns.text("withdrawn_by"),
        sa.Column("withdrawn_at", columns.TIME),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index("ix_performed_correction_performed_id", name, ["performed_id"])


def _create_device_toleration() -> None:
    op.create_table(
        "device_toleration",
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("quirk", sa.String(40), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("first_at", columns.TIME, nullable=False),
        sa.Column("last_at", columns.TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("calling_ae_title", "quirk", "path", name="pk_device_toleration"),
    )


def upgrade() -> None:
    """Create the tables; exams that have no step yet join the queue."""
    op.add_column("performed_procedure_step", sa.Column("corrected_status", sa.String(16)))
    op.add_column("performed_procedure_step", sa.Column("corrected_code", sa.Text))
    _create_unmatched_reference()
    _create_performed_correction()
    _create_device_toleration()
    op.execute(
        "INSERT INTO unmatched_reference (performed_id, item, accession_number, state, automatic, created_at) "
        "SELECT id, 1, accession_number, 'open', true, created_at FROM performed_procedure_step "
        "WHERE NOT EXISTS (SELECT 1 FROM step_link WHERE step_link.performed_id = performed_procedure_step.id)"
    )


def downgrade() -> None:
    """Drop what ``upgrade`` created."""
    op.drop_table("device_toleration")
    op.drop_table("performed_correction")
    op.drop_table("unmatched_reference")
    op.drop_column("performed_procedure_step", "corrected_code")
    op.drop_column("performed_procedure_step", "corrected_status")
