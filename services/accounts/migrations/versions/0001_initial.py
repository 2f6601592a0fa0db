"""Users, sessions, API keys, the ledger and its holds."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import JsonDocument, UtcDateTime
from services.kit.migrations import create_kit_tables, drop_kit_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_kit_tables()
    op.create_table(
        "users",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("display_name", sa.String(100), nullable=True),
        sa.Column("roles", JsonDocument, nullable=False),
        sa.Column("plan", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("revoked_because", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name="fk_sessions_account_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_account_id", "sessions", ["account_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "refresh_tokens",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(40), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime, nullable=True),
        sa.Column("successor_digest", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("hint", sa.String(20), nullable=False),
        sa.Column("scopes", JsonDocument, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=True),
        sa.Column("revoked_at", UtcDateTime, nullable=True),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["account_id"], ["users.id"], name="fk_api_keys_account_id", ondelete="CASCADE"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"])
    _create_ledger()


def _create_ledger() -> None:
    op.create_table(
        "balances",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("available", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_balances"),
        sa.CheckConstraint("available >= 0", name="available_not_negative"),
        sa.CheckConstraint("reserved >= 0", name="reserved_not_negative"),
    )
    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("available_after", sa.BigInteger, nullable=False),
        sa.Column("reserved_after", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.String(40), nullable=True),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transfers"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_ledger_transfers_account_id"),
        sa.UniqueConstraint("job_id", "kind", name="uq_ledger_transfers_job_id_kind"),
        sa.UniqueConstraint("account_id", "version", name="uq_ledger_transfers_account_id_version"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("transfer_id", sa.String(40), nullable=False),
        sa.Column("ledger_account", sa.String(40), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("transfer_id", "ledger_account", name="pk_ledger_entries"),
        sa.ForeignKeyConstraint(["transfer_id"], ["ledger_transfers.id"], name="fk_ledger_entries_transfer_id"),
        sa.CheckConstraint("credits <> 0", name="credits_not_zero"),
    )
    op.create_table(
        "reservations",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("price_credits", sa.BigInteger, nullable=False),
        sa.Column("refusal_code", sa.String(40), nullable=True),
        sa.Column("refusal_detail", sa.String(300), nullable=True),
        sa.Column("allowance_day", sa.Date, nullable=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime, nullable=True),
        sa.PrimaryKeyConstraint("job_id", name="pk_reservations"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_reservations_account_id"),
        sa.CheckConstraint("price_credits >= 0", name="price_not_negative"),
    )
    op.create_index("ix_reservations_account_id", "reservations", ["account_id"])
    op.create_index(
        "ix_reservations_held",
        "reservations",
        ["expires_at"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "preview_uses",
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", name="pk_preview_uses"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_preview_uses_account_id"),
        sa.CheckConstraint("used >= 0", name="used_not_negative"),
    )


def downgrade() -> None:
    for table in (
        "preview_uses",
        "reservations",
        "ledger_entries",
        "ledger_transfers",
        "balances",
        "api_keys",
        "refresh_tokens",
        "sessions",
        "users",
    ):
        op.drop_table(table)
    drop_kit_tables()
