"""Destinations that people (or their receivers) hold back."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0108"
down_revision = "0104"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row for each destination that is held."""
    op.create_table(
        "destination_hold",
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("after_entry", columns.KEY, nullable=False),
        sa.Column("how", sa.String(8), nullable=False),
        columns.text("reason"),
        columns.text("held_by"),
        sa.Column("held_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("destination", name="pk_destination_hold"),
    )


def downgrade() -> None:
    """Nobody is held any more."""
    op.drop_table("destination_hold")
