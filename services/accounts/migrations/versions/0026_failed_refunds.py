"""Refunds that a bank does not take, and disputes in the sandbox."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("payments") as payments:
        payments.add_column(sa.Column("failed_refunds_minor", sa.BigInteger, nullable=False, server_default="0"))
        payments.create_check_constraint("failed_refunds_not_negative", "failed_refunds_minor >= 0")
    op.add_column("sandbox_refunds", sa.Column("has_failed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "sandbox_disputes",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("charge_id", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.ForeignKeyConstraint(
            ["charge_id"], ["sandbox_charges.id"], name="fk_sandbox_disputes_charge_id_sandbox_charges"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sandbox_disputes"),
    )
    op.create_index("ix_sandbox_disputes_charge_id", "sandbox_disputes", ["charge_id"])


def downgrade() -> None:
    op.drop_table("sandbox_disputes")
    with op.batch_alter_table("sandbox_refunds") as refunds:
        refunds.drop_column("has_failed")
    with op.batch_alter_table("payments") as payments:
        payments.drop_constraint("failed_refunds_not_negative", type_="check")
        payments.drop_column("failed_refunds_minor")
