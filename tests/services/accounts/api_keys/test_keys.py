"""What an API key looks like and what is kept of it."""

import base64

from services.accounts.api_keys.keys import MAX_LENGTH, PREFIX, SCOPES, digest, new_key
from services.kit.auth import SCOPES as ALL_SCOPES


def test_a_key_holds_256_random_bits_and_shows_little_of_them() -> None:
    one, other = new_key(), new_key()

    assert one.secret != other.secret
    assert len(base64.urlsafe_b64decode(one.secret.removeprefix(PREFIX) + "=")) == 32
    assert len(one.secret) <= MAX_LENGTH
    assert one.digest == digest(one.secret)
    assert one.secret not in (one.digest, one.hint)
    beginning, end = one.hint.split("…")
    assert one.secret.startswith(beginning)
    assert one.secret.endswith(end)
    assert len(beginning.removeprefix(PREFIX)) == len(end) == 4, "48 of 256 bits"


def test_a_key_can_do_less_than_a_person() -> None:
    assert set(SCOPES) == set(ALL_SCOPES) - {"account"}
