"""Devices registered by people, their addresses and warnings; since when an item has its status."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the column."""
    op.add_column("worklist_item", sa.Column("status_at", columns.TIME, nullable=True))
    op.create_table(
        "device_address",
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("first_seen_at", columns.TIME, nullable=False),
        sa.Column("last_seen_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("ae_title", "address", name="pk_device_address"),
    )
    op.create_table(
        "device_registration",
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("settings", columns.JSON, nullable=False),
        columns.text("registered_by"),
        sa.Column("registered_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("ae_title", name="pk_device_registration"),
    )
    op.create_table(
        "device_warning",
        sa.Column("ae_title", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("text", sa.String(255), nullable=False),
        sa.Column("first_at", columns.TIME, nullable=False),
        sa.Column("last_at", columns.TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("ae_title", "kind", "text", name="pk_device_warning"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("device_warning", "device_registration", "device_address"):
        op.drop_table(table)
    op.drop_column("worklist_item", "status_at")
