"""No effect is bound to the id of an event."""

from services.kit.migrations import create_inbox, drop_inbox

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    drop_inbox()


def downgrade() -> None:
    create_inbox()
