"""Leases: what one process of the service does at a time."""

from services.kit.migrations import create_leases, drop_leases

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_leases()


def downgrade() -> None:
    drop_leases()
