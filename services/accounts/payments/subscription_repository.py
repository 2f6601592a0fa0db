"""Queries about subscriptions and what providers have told."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, select, update

from services.accounts.payments.models import ProviderFeed, ProviderNews, Subscription
from services.accounts.payments.providers import SubscriptionState
from services.accounts.users.models import User
from services.kit.database import ReadSession, WriteSession
from services.kit.inserting import insert_unless_present


def lock(session: WriteSession, subscription_id: str) -> Subscription | None:
    """The subscription as it is now, locked until the transaction ends."""
    return session.execute(
        select(Subscription)
        .where(Subscription.id == subscription_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()


def add(session: WriteSession, subscription: Subscription) -> Subscription:
    session.add(subscription)
    session.flush()
    return subscription


def of_account(session: ReadSession, account_id: str) -> Sequence[Subscription]:
    """The account's subscriptions, the newest first."""
    return (
        session.execute(
            select(Subscription).where(Subscription.account_id == account_id).order_by(Subscription.created_at.desc())
        )
        .scalars()
        .all()
    )


def out_of_grace(session: ReadSession, now: datetime) -> Sequence[Subscription]:
    """Overdue ones whose days of grace are over."""
    return (
        session.execute(
            select(Subscription).where(Subscription.state == SubscriptionState.OVERDUE, Subscription.grace_until <= now)
        )
        .scalars()
        .all()
    )


def of_nobody(session: ReadSession) -> Sequence[str]:
    """Ids of subscriptions that go on though their account was erased."""
    return (
        session.execute(
            select(Subscription.id)
            .outerjoin(User, User.id == Subscription.account_id)
            .where(Subscription.state != SubscriptionState.ENDED, User.id.is_(None))
        )
        .scalars()
        .all()
    )


def was_told(session: ReadSession, provider: str, event_id: str) -> bool:
    return session.get(ProviderNews, (provider, event_id)) is not None


def was_told_of(session: ReadSession, provider: str, event_type: str, object_id: str) -> bool:
    """Whether an event of this type about this object has been dealt with, under whatever id."""
    return (
        session.execute(
            select(ProviderNews.event_id)
            .where(
                ProviderNews.provider == provider,
                ProviderNews.type == event_type,
                ProviderNews.object_id == object_id,
            )
            .limit(1)
        ).scalar_one_or_none()
        is not None
    )


def note_told(session: WriteSession, provider: str, event_id: str, event_type: str, object_id: str) -> None:
    row = {
        "provider": provider,
        "event_id": event_id,
        "type": event_type,
        "object_id": object_id,
        "handled_at": session.now(),
    }
    insert_unless_present(session, cast(Table, ProviderNews.__table__), row)


def forget_told(session: WriteSession, before: datetime) -> None:
    session.execute(delete(ProviderNews).where(ProviderNews.handled_at < before))


def lock_feed(session: WriteSession, provider: str, since: datetime, read_at: datetime) -> ProviderFeed:
    """How far a provider's events were read, locked until the transaction ends; new, with these times, at first."""
    row = {"provider": provider, "since": since, "missed": False, "read_at": read_at}
    insert_unless_present(session, cast(Table, ProviderFeed.__table__), row)
    return session.execute(
        select(ProviderFeed)
        .where(ProviderFeed.provider == provider)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def late(session: ReadSession, period_over_before: datetime, looked_at_before: datetime, limit: int) -> Sequence[str]:
    """Ids of subscriptions whose period is over and that nothing was heard of, the longest unasked about first."""
    return session.scalars(
        select(Subscription.id)
        .where(
            Subscription.state != SubscriptionState.ENDED,
            Subscription.period_ends_at <= period_over_before,
            Subscription.updated_at <= looked_at_before,
        )
        .order_by(Subscription.updated_at)
        .limit(limit)
    ).all()


def note_looked_at(session: WriteSession, subscription_id: str, now: datetime) -> None:
    session.execute(update(Subscription).where(Subscription.id == subscription_id).values(updated_at=now))
