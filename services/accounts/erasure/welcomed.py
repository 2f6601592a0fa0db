"""Welcome credits come once to an address, also where its account is erased and made anew."""

from datetime import timedelta

from sqlalchemy import delete, select

from services.accounts.erasure.models import WelcomedAddress
from services.accounts.sessions.tokens import SigningKeys
from services.kit.database import ReadSession, WriteSession

REMEMBERED = timedelta(days=365)
"""How long after its erasure an address is known again. Longer than a few minutes of free music are worth waiting for,
and no longer than that asks for."""


class WelcomedAddresses:
    """What is remembered of addresses is a digest by a key outside the database, so it goes with that key too."""

    def __init__(self, keys: SigningKeys) -> None:
        self._keys = keys

    def note(self, session: WriteSession, address_key: str) -> None:
        """The account of this address, which has had its welcome credits, is being erased."""
        digest = self._keys.digests_of_address(address_key)[0]
        session.merge(WelcomedAddress(digest=digest, erased_at=session.now()))

    def knows(self, session: ReadSession, address_key: str) -> bool:
        """Whether an account of this address had welcome credits and was erased."""
        digests = self._keys.digests_of_address(address_key)
        found = select(WelcomedAddress.digest).where(WelcomedAddress.digest.in_(digests)).limit(1)
        return session.scalar(found) is not None

    def forget(self, session: WriteSession) -> None:
        """Deletes what was remembered long enough."""
        over = session.now() - REMEMBERED
        session.execute(delete(WelcomedAddress).where(WelcomedAddress.erased_at <= over))
