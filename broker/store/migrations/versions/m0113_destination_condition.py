"""How each destination is doing: last success and failure, whether it answers, is late; entries that are sent again."""

import sqlalchemy as sa
from alembic import op

from broker.store.migrations import columns

revision = "0113"
down_revision = "0110"
branch_labels = None
depends_on = None

_LAST_SUCCESS = """
insert into destination_condition (destination, succeeded_at)
select destination, max(finished_at) from outbox_entry where state = 'delivered' group by destination
"""


def upgrade() -> None:
    """Create the table and the column; the last success so far is known from the outbox."""
    op.create_table(
        "destination_condition",
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("succeeded_at", columns.TIME, nullable=True),
        sa.Column("failed_at", columns.TIME, nullable=True),
        columns.text("words"),
        sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("retry_at", columns.TIME, nullable=True),
        sa.Column("late_since", columns.TIME, nullable=True),
        sa.PrimaryKeyConstraint("destination", name="pk_destination_condition"),
    )
    op.execute(_LAST_SUCCESS)
    op.add_column("outbox_entry", sa.Column("resent_at", columns.TIME, nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("outbox_entry", "resent_at")
    op.drop_table("destination_condition")
