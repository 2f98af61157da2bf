"""What was negotiated for a worklist query, without which its keys do not say what they matched."""

import sqlalchemy as sa
from alembic import op

revision = "0118"
down_revision = "0117"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; earlier queries had nothing negotiated as far as is known."""
    op.add_column("device_query", sa.Column("fuzzy_names", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("device_query", sa.Column("offset_minutes", sa.Integer, nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("device_query", "offset_minutes")
    op.drop_column("device_query", "fuzzy_names")
