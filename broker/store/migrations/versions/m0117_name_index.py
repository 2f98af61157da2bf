"""An index of all pieces of patient names, where the database can have one."""

from alembic import op

from broker.store import name_index

revision = "0117"
down_revision = "0113"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create and fill it."""
    name_index.prepare(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    name_index.remove(op.get_bind())
