"""A transfer names what it comes from instead of a job alone, and what is owed stands beside what is available."""

import sqlalchemy as sa
from alembic import op

from services.kit.database import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SOURCE = """
    CASE WHEN job_id IS NOT NULL THEN 'job' WHEN version = 1 AND reason = 'Welcome' THEN 'account' ELSE 'operator' END,
    CASE WHEN job_id IS NOT NULL THEN job_id WHEN version = 1 AND reason = 'Welcome' THEN account_id ELSE id END
"""


def upgrade() -> None:
    # Checks of a column that is added belong to its definition: SQLite takes them nowhere else.
    op.execute(
        "ALTER TABLE balances ADD COLUMN debt BIGINT NOT NULL DEFAULT 0 "
        "CONSTRAINT ck_balances_debt_not_negative CHECK (debt >= 0) "
        "CONSTRAINT ck_balances_credits_or_debt CHECK (debt = 0 OR available = 0)"
    )
    if op.get_bind().dialect.name == "sqlite":
        _copy_transfers()
    else:
        _alter_transfers()


def _alter_transfers() -> None:
    table = "ledger_transfers"
    op.add_column(table, sa.Column("debt_after", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column(table, sa.Column("source_type", sa.String(20), nullable=True))
    op.add_column(table, sa.Column("source_id", sa.String(100), nullable=True))
    op.execute(f"UPDATE {table} SET (source_type, source_id) = (SELECT {_SOURCE})")  # noqa: S608 - constants
    op.alter_column(table, "source_type", nullable=False)
    op.alter_column(table, "source_id", nullable=False)
    op.drop_column(table, "job_id")
    op.create_unique_constraint(
        "uq_ledger_transfers_source_type_source_id_kind", table, ["source_type", "source_id", "kind"]
    )


def _copy_transfers() -> None:
    """SQLite drops no column that a constraint names: both tables are written anew, children and all."""
    op.create_table(
        "new_transfers",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("account_id", sa.String(40), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("available_after", sa.BigInteger, nullable=False),
        sa.Column("reserved_after", sa.BigInteger, nullable=False),
        sa.Column("debt_after", sa.BigInteger, nullable=False),
        sa.Column("source_type", sa.String(20), nullable=False),
        sa.Column("source_id", sa.String(100), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_transfers"),
        sa.ForeignKeyConstraint(["account_id"], ["balances.account_id"], name="fk_ledger_transfers_account_id"),
        sa.UniqueConstraint("source_type", "source_id", "kind", name="uq_ledger_transfers_source_type_source_id_kind"),
        sa.UniqueConstraint("account_id", "version", name="uq_ledger_transfers_account_id_version"),
    )
    op.create_table(
        "new_entries",
        sa.Column("transfer_id", sa.String(40), nullable=False),
        sa.Column("ledger_account", sa.String(40), nullable=False),
        sa.Column("credits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("transfer_id", "ledger_account", name="pk_ledger_entries"),
        sa.ForeignKeyConstraint(["transfer_id"], ["new_transfers.id"], name="fk_ledger_entries_transfer_id"),
        sa.CheckConstraint("credits <> 0", name="credits_not_zero"),
    )
    columns = "id, kind, account_id, version, available_after, reserved_after, reason, created_at"
    op.execute(
        f"INSERT INTO new_transfers ({columns}, debt_after, source_type, source_id) "  # noqa: S608 - constants
        f"SELECT {columns}, 0, {_SOURCE} FROM ledger_transfers"
    )
    op.execute("INSERT INTO new_entries SELECT transfer_id, ledger_account, credits FROM ledger_entries")
    op.drop_table("ledger_entries")
    op.drop_table("ledger_transfers")
    op.rename_table("new_transfers", "ledger_transfers")
    op.rename_table("new_entries", "ledger_entries")


def downgrade() -> None:
    raise NotImplementedError("what payments moved has no place in the books of before")
