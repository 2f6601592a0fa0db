"""What a second of sound costs is told by accounts; quotes and jobs name the rate that they were priced by."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rates",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("model_name", sa.String(80), nullable=False),
        sa.Column("tier", sa.String(80), nullable=False),
        sa.Column("millicredits_per_second", sa.Integer, nullable=False),
        sa.Column("valid_from", UtcDateTime, nullable=False),
        sa.Column("valid_to", UtcDateTime, nullable=True),
        sa.Column("told_at", UtcDateTime, nullable=False),
        sa.Column("heard_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rates"),
    )
    op.add_column("jobs", sa.Column("rate_id", sa.String(40), nullable=True))
    # What the release before still writes and reads goes on: it quotes no model and knows no rates.
    with op.batch_alter_table("quotes") as quotes:
        quotes.add_column(sa.Column("model_name", sa.String(80), nullable=False, server_default=""))
        quotes.add_column(sa.Column("rate_id", sa.String(40), nullable=True))
        quotes.add_column(sa.Column("millicredits_per_second", sa.Integer, nullable=True))
        quotes.drop_constraint("pk_quotes", type_="primary")
        quotes.create_primary_key("pk_quotes", ["upload_id", "mode", "model_name"])


def downgrade() -> None:
    op.execute("DELETE FROM quotes")
    with op.batch_alter_table("quotes") as quotes:
        quotes.drop_constraint("pk_quotes", type_="primary")
        quotes.create_primary_key("pk_quotes", ["upload_id", "mode"])
        for name in ("millicredits_per_second", "rate_id", "model_name"):
            quotes.drop_column(name)
    op.drop_column("jobs", "rate_id")
    op.drop_table("rates")
