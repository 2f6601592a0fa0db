"""Monthly plans at a provider, and what providers have told."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkouts", sa.Column("customer_id", sa.String(255), nullable=True))
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("customer_id", sa.String(255), nullable=False),
        sa.Column("price_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("plan", sa.String(40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("period_ends_at", UtcDateTime, nullable=False),
        sa.Column("ends_with_period", sa.Boolean, nullable=False),
        sa.Column("grace_until", UtcDateTime, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_subscriptions_account_id"),
    )
    op.create_index("ix_subscriptions_account_id", "subscriptions", ["account_id"])
    op.create_table(
        "provider_news",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("type", sa.String(80), nullable=False),
        sa.Column("object_id", sa.String(255), nullable=False),
        sa.Column("handled_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("provider", "event_id", name="pk_provider_news"),
    )
    op.create_index("ix_provider_news_object", "provider_news", ["provider", "object_id", "type"])
    op.create_index("ix_provider_news_handled_at", "provider_news", ["handled_at"])


def downgrade() -> None:
    op.drop_table("provider_news")
    op.drop_table("subscriptions")
    op.drop_column("checkouts", "customer_id")
