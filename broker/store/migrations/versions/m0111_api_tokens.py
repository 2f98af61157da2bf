"""Tokens of programs that use the programming interface and DICOMweb."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0111"
down_revision = "0109"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "api_token",
        columns.key(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("token_digest", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("ae_title", sa.String(16), nullable=False, server_default=sa.text("''")),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("expires_at", columns.TIME, nullable=True),
        sa.Column("revoked_at", columns.TIME, nullable=True),
        sa.Column("last_used_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_token"),
        sa.UniqueConstraint("token_digest", name="uq_api_token_token_digest"),
    )
    op.create_index(
        "ix_api_token_name_in_force", "api_token", ["name"], unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"), postgresql_where=sa.text("revoked_at IS NULL"),
    )  # fmt: skip


def downgrade() -> None:
    """Drop it."""
    op.drop_table("api_token")
