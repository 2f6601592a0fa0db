"""Answers about credits."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from services.accounts.ledger.check import LedgerFindings
from services.accounts.ledger.repository import StatementLine
from services.accounts.ledger.transfers import SourceType, TransferKind


class ExpiringCredits(BaseModel):
    credits: int
    expires_at: datetime


class BalanceView(BaseModel):
    available_credits: int
    reserved_credits: int = Field(description="Held for jobs that are under way.")
    debt_credits: int = Field(
        description="Owed for credits that were paid back after they were spent; what comes in next pays it off."
    )
    expiring: Sequence[ExpiringCredits] = Field(
        description="Those of the available credits that have an end, the soonest first, which is also the order in "
        "which they are used; everything else comes after them."
    )


class LedgerEntryView(BaseModel):
    """One movement of credits, and what it came from."""

    id: str
    kind: TransferKind
    available_change_credits: int
    reserved_change_credits: int
    debt_change_credits: int
    available_after_credits: int
    reserved_after_credits: int
    debt_after_credits: int
    source_type: SourceType
    source_id: str
    job_id: str | None
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, line: StatementLine) -> "LedgerEntryView":
        return cls(
            id=line.id,
            kind=TransferKind(line.kind),
            available_change_credits=line.available_change,
            reserved_change_credits=line.reserved_change,
            debt_change_credits=line.debt_change,
            available_after_credits=line.available_after,
            reserved_after_credits=line.reserved_after,
            debt_after_credits=line.debt_after,
            source_type=line.source.type,
            source_id=line.source.id,
            job_id=line.source.id if line.source.type is SourceType.JOB else None,
            reason=line.reason,
            created_at=line.created_at,
        )


class LedgerCheckView(BaseModel):
    """Whether the books add up; each list holds at most the first hundred offenders."""

    ok: bool
    transfers: int
    entries: int
    total_credits: int = Field(description="The sum of all entries: 0.")
    unbalanced_transfers: Sequence[str]
    wrong_balances: Sequence[str] = Field(description="Accounts whose balance is not the sum of their entries.")
    wrong_holds: Sequence[str] = Field(description="Accounts whose reserved credits are not the sum of their holds.")
    wrong_jobs: Sequence[str] = Field(description="Jobs whose credits did not move as their hold says.")
    wrong_batches: Sequence[str] = Field(
        description="Batches whose credits were not held once, or are not the sum of their jobs' shares."
    )
    wrong_payments: Sequence[str] = Field(description="Payments that did not bring their credits.")
    wrong_lots: Sequence[str] = Field(description="Credits with an end that are not where the books have them.")

    @classmethod
    def of(cls, findings: LedgerFindings) -> "LedgerCheckView":
        return cls(
            ok=findings.ok,
            transfers=findings.transfers,
            entries=findings.entries,
            total_credits=findings.total_credits,
            unbalanced_transfers=findings.unbalanced_transfers,
            wrong_balances=findings.wrong_balances,
            wrong_holds=findings.wrong_holds,
            wrong_jobs=findings.wrong_jobs,
            wrong_batches=findings.wrong_batches,
            wrong_payments=findings.wrong_payments,
            wrong_lots=findings.wrong_lots,
        )
