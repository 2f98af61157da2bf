"""Unmapped procedure codes and the runs of messages read again."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0105"
down_revision = "0003"
branch_labels = None
depends_on = None


def _create_unmapped_code() -> None:
    op.create_table(
        "unmapped_code",
        columns.key(),
        columns.text("sender"),
        columns.text("code"),
        columns.text("scheme"),
        columns.text("meaning"),
        columns.text("modality"),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("first_seen_at", columns.TIME, nullable=False),
        sa.Column("last_seen_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_unmapped_code"),
        sa.UniqueConstraint("sender", "code", "scheme", name="uq_unmapped_code_sender_code_scheme"),
    )


def _create_replay_run() -> None:
    op.create_table(
        "replay_run",
        columns.key(),
        sa.Column("at", columns.TIME, nullable=False),
        columns.text("actor"),
        sa.Column("journal_id", columns.KEY, nullable=False),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        columns.text("text"),
        sa.Column("result_id", columns.KEY, nullable=True),
        sa.ForeignKeyConstraint(["journal_id"], ["journal_entry.id"], name="fk_replay_run_journal_id"),
        sa.ForeignKeyConstraint(["result_id"], ["journal_entry.id"], name="fk_replay_run_result_id"),
        sa.PrimaryKeyConstraint("id", name="pk_replay_run"),
    )
    op.create_index("ix_replay_run_journal_id", "replay_run", ["journal_id"])
    op.create_index("ix_replay_run_result_id", "replay_run", ["result_id"])


def upgrade() -> None:
    """Create the tables."""
    _create_unmapped_code()
    _create_replay_run()


def downgrade() -> None:
    """Drop them."""
    op.drop_table("replay_run")
    op.drop_table("unmapped_code")
