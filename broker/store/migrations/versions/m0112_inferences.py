"""What was said about steps in place of a device, the watch over steps that never end, and what habits are read by."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None


def _create_step_inference() -> None:
    name = "step_inference"
    op.create_table(
        name,
        columns.key(),
        columns.refers("step_id", name, "scheduled_procedure_step"),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("before_status", sa.String(16), nullable=False),
        columns.text("discontinuation_code"),
        columns.text("discontinuation_meaning"),
        columns.text("note"),
        sa.Column("source", sa.String(12), nullable=False),
        columns.text("said_by"),
        sa.Column("said_at", columns.TIME, nullable=False),
        columns.text("withdrawn_by"),
        sa.Column("withdrawn_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    standing = sa.text("withdrawn_at is null")
    op.create_index("ix_step_inference_standing", name, ["step_id"], sqlite_where=standing, postgresql_where=standing)


def _create_step_inference_overruled() -> None:
    name = "step_inference_overruled"
    op.create_table(
        name,
        columns.refers("inference_id", name, "step_inference"),
        columns.refers("performed_id", name, "performed_procedure_step"),
        sa.PrimaryKeyConstraint("inference_id", "performed_id", name=f"pk_{name}"),
    )


def _create_watch() -> None:
    op.create_table(
        "stuck_step",
        columns.refers("step_id", "stuck_step", "scheduled_procedure_step"),
        sa.Column("silent_since", columns.TIME, nullable=False),
        sa.Column("limit_minutes", sa.Integer, nullable=False),
        sa.Column("found_at", columns.TIME, nullable=False),
        sa.Column("postponed_until", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("step_id", name="pk_stuck_step"),
    )
    op.create_table(
        "job_lease",
        sa.Column("name", sa.String(32), nullable=False),
        columns.text("owner"),
        sa.Column("until", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_job_lease"),
    )


def upgrade() -> None:
    """Create the tables, the mark on steps, and the indexes."""
    inferred = sa.Column("inferred", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("scheduled_procedure_step", inferred)
    _create_step_inference()
    _create_step_inference_overruled()
    _create_watch()
    started = sa.text("status = 'STARTED'")
    op.create_index(
        "ix_worklist_item_started", "worklist_item", ["step_id"], sqlite_where=started, postgresql_where=started
    )
    op.create_index(
        "ix_performed_procedure_step_device", "performed_procedure_step", ["calling_ae_title", "created_at"]
    )
    op.create_index("ix_step_query_device", "step_query", ["calling_ae_title", "first_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_step_query_device", "step_query")
    op.drop_index("ix_performed_procedure_step_device", "performed_procedure_step")
    op.drop_index("ix_worklist_item_started", "worklist_item")
    for table in ("job_lease", "stuck_step", "step_inference_overruled", "step_inference"):
        op.drop_table(table)
    op.drop_column("scheduled_procedure_step", "inferred")
