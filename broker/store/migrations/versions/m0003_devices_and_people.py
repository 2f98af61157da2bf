"""Devices, their queries, people and their sessions."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _create_app_user() -> None:
    op.create_table(
        "app_user",
        columns.key(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_app_user"),
        sa.UniqueConstraint("name", name="uq_app_user_name"),
    )


def _create_device() -> None:
    op.create_table(
        "device",
        columns.key(),
        sa.Column("ae_title", sa.String(16), nullable=False),
        columns.text("address"),
        sa.Column("known", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("first_seen_at", columns.TIME, nullable=False),
        sa.Column("last_seen_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device"),
        sa.UniqueConstraint("ae_title", name="uq_device_ae_title"),
    )


def _create_device_query() -> None:
    op.create_table(
        "device_query",
        columns.key(),
        sa.Column("at", columns.TIME, nullable=False),
        columns.text("calling_ae_title"),
        columns.text("address"),
        sa.Column("keys", columns.JSON, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device_query"),
    )
    op.create_index("ix_device_query_at", "device_query", ["at"])
    op.create_index("ix_device_query_calling_ae_title", "device_query", ["calling_ae_title"])


def _create_sign_in_link() -> None:
    op.create_table(
        "sign_in_link",
        sa.Column("token_digest", sa.String(64), nullable=False),
        columns.refers("user_id", "sign_in_link", "app_user"),
        sa.Column("expires_at", columns.TIME, nullable=False),
        sa.Column("used_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("token_digest", name="pk_sign_in_link"),
    )
    op.create_index("ix_sign_in_link_user_id", "sign_in_link", ["user_id"])


def _create_web_session() -> None:
    op.create_table(
        "web_session",
        sa.Column("token_digest", sa.String(64), nullable=False),
        columns.refers("user_id", "web_session", "app_user"),
        sa.Column("csrf_token", sa.String(64), nullable=False),
        sa.Column("created_at", columns.TIME, nullable=False),
        sa.Column("expires_at", columns.TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_digest", name="pk_web_session"),
    )
    op.create_index("ix_web_session_user_id", "web_session", ["user_id"])


def _create_step_query() -> None:
    op.create_table(
        "step_query",
        sa.Column(
            "step_id",
            columns.KEY,
            sa.ForeignKey("scheduled_procedure_step.id", name="fk_step_query_step_id"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("calling_ae_title", sa.String(16), nullable=False),
        sa.Column("first_at", columns.TIME, nullable=False),
        sa.Column("last_at", columns.TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("step_id", "calling_ae_title", name="pk_step_query"),
    )


def upgrade() -> None:
    """Create the tables."""
    _create_app_user()
    _create_device()
    _create_device_query()
    _create_sign_in_link()
    _create_web_session()
    _create_step_query()


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "step_query",
        "web_session",
        "sign_in_link",
        "device_query",
        "device",
        "app_user",
    ):
        op.drop_table(table)
