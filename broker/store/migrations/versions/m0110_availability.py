"""Instance Availability Notifications received."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0110"
down_revision = "0112"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    name = "availability_notice"
    op.create_table(
        name,
        columns.key(),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        columns.text("calling_ae_title"),
        columns.text("transfer_syntax_uid"),
        sa.Column("dataset", sa.LargeBinary, nullable=False),
        columns.text("study_instance_uid"),
        columns.text("performed_uid"),
        sa.Column("instances", columns.JSON, nullable=False),
        sa.Column("instance_count", sa.Integer, nullable=False),
        columns.text("retrieve_ae_titles"),
        sa.Column("received_at", columns.TIME, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        columns.refers("performed_id", name, "performed_procedure_step", nullable=True),
        sa.Column("weighed_at", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.UniqueConstraint("sop_instance_uid", name=f"uq_{name}_sop_instance_uid"),
    )
    op.create_index(f"ix_{name}_study_instance_uid", name, ["study_instance_uid"])
    op.create_index(f"ix_{name}_performed_id", name, ["performed_id"])
    is_open, unweighed = sa.text("state = 'open'"), sa.text("weighed_at is null")
    op.create_index(f"ix_{name}_open", name, ["received_at"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_index(f"ix_{name}_unweighed", name, ["received_at"], sqlite_where=unweighed, postgresql_where=unweighed)


def downgrade() -> None:
    """Drop it."""
    op.drop_table("availability_notice")
