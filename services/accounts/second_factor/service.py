"""The life of a second factor, and what a code at signing in is worth.

    begin ──> waiting ── a code of the app ──> on ── password and code ──> gone
                 └── begin again: another secret

Who guesses codes knows the password already. After some wrong ones in a row the account's next code waits, ever longer,
wherever it comes from: there are only a million. Recovery codes cannot be guessed and do not wait.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from services.accounts.second_factor import codes
from services.accounts.second_factor import repository as factors
from services.accounts.second_factor.errors import SecondFactorAbsent, SecondFactorOn, WrongCode
from services.accounts.second_factor.models import SecondFactor
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.tokens import SigningKeys
from services.kit.database import Database, WriteSession

TRIES = 5
LONGEST_WAIT = timedelta(minutes=15)
BATCH = 200


@dataclass(frozen=True)
class Setup:
    """What the person puts into their app; told this once."""

    secret: str = field(repr=False)
    otpauth_url: str = field(repr=False)


class SecondFactors:
    """Each method works inside the caller's transaction, except `reseal`."""

    def __init__(self, database: Database, keys: SigningKeys, *, issuer: str) -> None:
        self._database = database
        self._keys = keys
        self._issuer = issuer
        """What the app shows beside the address."""

    def begin(self, session: WriteSession, account_id: str, address: str) -> Setup:
        """A new secret, which counts once a code of it was confirmed. Raises SecondFactorOn."""
        # There is no row to lock yet, and two may begin at once.
        session.serialize(f"second factor of {account_id}")
        found = factors.lock(session, account_id)
        if found is not None and found.enabled_at is not None:
            raise SecondFactorOn
        if found is not None:
            factors.remove(session, account_id)
            session.flush()
        secret = codes.new_secret()
        session.add(
            SecondFactor(
                account_id=account_id,
                sealed_secret=self._keys.seal(secret, _context(account_id)),
                created_at=session.now(),
                enabled_at=None,
                last_step=None,
                wrong_codes=0,
                heard_from=None,
            )
        )
        return Setup(secret, codes.otpauth_url(secret, address, self._issuer))

    def confirm(self, session: WriteSession, account_id: str, code: str, origin: Origin) -> list[str]:
        """Turns it on and returns the recovery codes, told this once. Raises SecondFactorAbsent, WrongCode."""
        found = factors.lock(session, account_id)
        if found is None or found.enabled_at is not None:
            raise SecondFactorAbsent
        if not self._is_of_app(session, found, code):
            raise WrongCode
        found.enabled_at = session.now()
        made = codes.new_recovery_codes()
        factors.put_recovery_codes(session, account_id, map(codes.recovery_digest, made))
        security_events.add(session, account_id, Kind.SECOND_FACTOR_ADDED, origin)
        return made

    def accepts(self, session: WriteSession, account_id: str, code: str, origin: Origin) -> bool:
        """Whether the code proves the second factor of the account; each does so once. An account without one needs no
        proof. Commit also where it does not: wrong codes are counted."""
        found = factors.lock(session, account_id)
        if found is None or found.enabled_at is None:
            return True
        if codes.is_app_code(code):
            return self._is_of_app(session, found, code)
        if not factors.use_recovery_code(session, account_id, codes.recovery_digest(code)):
            return False
        found.wrong_codes, found.heard_from = 0, None
        left = factors.recovery_codes_left(session, account_id)
        security_events.add(session, account_id, Kind.RECOVERY_CODE_USED, origin, codes_left=left)
        return True

    def remove(self, session: WriteSession, account_id: str, origin: Origin, *, actor: str | None = None) -> None:
        """Turns it off. Raises SecondFactorAbsent."""
        if factors.lock(session, account_id) is None:
            raise SecondFactorAbsent
        factors.remove(session, account_id)
        security_events.add(session, account_id, Kind.SECOND_FACTOR_REMOVED, origin, actor=actor)

    def _is_of_app(self, session: WriteSession, found: SecondFactor, code: str) -> bool:
        now = session.now()
        if found.heard_from is not None and now < found.heard_from:
            return False
        secret = self._keys.unseal(found.sealed_secret, _context(found.account_id))
        step = None if secret is None else codes.matching_step(secret, code, now, found.last_step)
        if step is None:
            found.wrong_codes += 1
            over = found.wrong_codes - TRIES
            if over >= 0:
                found.heard_from = now + min(timedelta(seconds=2 ** min(over, 30)), LONGEST_WAIT)
            return False
        found.last_step, found.wrong_codes, found.heard_from = step, 0, None
        return True

    def reseal(self) -> None:
        """Seals anew what a key sealed that does not sign any more, so that the key can go; opens its transactions."""
        for account_id in self._sealed_by_others():
            with self._database.write() as session:
                # Under the row's lock: the owner may have begun anew since it was read.
                found = factors.lock(session, account_id)
                if found is None:
                    continue
                renewed = self._keys.resealed(found.sealed_secret, _context(account_id))
                if renewed is not None:
                    found.sealed_secret = renewed

    def _sealed_by_others(self) -> Iterator[str]:
        """Accounts whose secret another key of the file sealed than the one that signs: none, as a rule."""
        after = ""
        while True:
            with self._database.read() as session:
                batch = [(found.account_id, found.sealed_secret) for found in factors.page(session, after, BATCH)]
            for account_id, sealed in batch:
                after = account_id
                if self._keys.resealed(sealed, _context(account_id)) is not None:
                    yield account_id
            if len(batch) < BATCH:
                return


def _context(account_id: str) -> str:
    return f"second factor of {account_id}"
