"""The list of skipped notifications stays quick however many were delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0119"
down_revision = "0114"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index."""
    skipped = sa.text("state = 'skipped'")
    op.create_index(
        "ix_outbox_entry_skipped", "outbox_entry", ["id"], sqlite_where=skipped, postgresql_where=skipped
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_outbox_entry_skipped", "outbox_entry")
