"""Destinations that people add on the pages or by program."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0114"
down_revision = "0118"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "added_destination",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("settings", columns.JSON, nullable=False),
        columns.text("changed_by"),
        sa.Column("changed_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_added_destination"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("added_destination")
