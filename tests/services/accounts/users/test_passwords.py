"""Password hashing."""

import re
import subprocess
import sys
import threading

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from services.accounts.accounts import Accounts
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users.models import User
from services.accounts.users.passwords import PasswordHashing, TooManyPasswordsError, acceptable
from services.kit.database import Database
from tests.services.accounts.conftest import PASSWORD, Join
from tests.services.accounts.production import PRODUCTION

HASHING = PasswordHashing()


def test_the_hash_is_argon2id_with_the_chosen_cost() -> None:
    encoded = HASHING.hash("correct horse")

    assert re.fullmatch(r"\$argon2id\$v=19\$m=7168,t=5,p=1\$[\w+/]{22}\$[\w+/]{43}", encoded)
    assert encoded != HASHING.hash("correct horse")


def test_a_hash_of_the_reference_implementation_is_verified() -> None:
    # By argon2-cffi 25.1, with the parameters of earlier versions.
    encoded = "$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$9WimSIYqWjOzkqVFfQUzUcbEC4DtSf1qJkqbdxkMyXo"

    assert HASHING.matches("a long pass phrase", encoded)
    assert not HASHING.matches("another pass phrase", encoded)
    assert HASHING.outdated(encoded)


def test_production_hashes_no_more_cheaply(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**PRODUCTION, "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": "key.pem"}.items():
        monkeypatch.setenv(name, value)

    assert Settings(password_memory_kib=8_000).password_memory_kib == 8_000
    with pytest.raises(ValidationError, match="PASSWORD_MEMORY_KIB must be at least 7168 in production"):
        Settings(password_memory_kib=7_167)


def test_a_password_hashed_at_another_cost_is_hashed_anew_at_the_next_sign_in(
    database: Database, keys: SigningKeys, join: Join
) -> None:
    person = join()
    dearer = Accounts.build(Settings(password_memory_kib=64), database, keys)

    dearer.sessions.sign_in(person.email, PASSWORD, Origin("192.0.2.1"))

    with database.read() as session:
        stored = session.scalars(select(User.password_hash)).one()
    assert "$m=64,t=5,p=1$" in stored


def test_only_the_same_password_matches() -> None:
    encoded = HASHING.hash("correct horse")

    assert HASHING.matches("correct horse", encoded)
    assert not HASHING.matches("correct hors", encoded)
    assert not HASHING.matches("Correct horse", encoded)
    assert not HASHING.matches("correct horse", None)


def test_another_unicode_form_of_the_same_password_matches() -> None:
    encoded = HASHING.hash("café au lait")

    assert HASHING.matches("cafe\u0301\u00a0au lait", encoded)


@pytest.mark.parametrize("password", ["short", "nul\0nul\0nul", "x" * 257, "lone \ud800 surrogate", "bell\a bell\a"])
def test_what_cannot_be_a_password_is_refused_without_an_exception(password: str) -> None:
    assert not acceptable(password)
    assert not HASHING.matches(password, HASHING.hash("correct horse"))


def test_a_hash_with_older_parameters_is_known_as_such() -> None:
    assert HASHING.outdated(PasswordHashing(memory_kib=8192).hash("correct horse"))
    assert HASHING.outdated("$argon2id$v=19$m=7168,t=4,p=1$MDAwMDAwMDAwMDAwMDAwMA$" + "A" * 43)
    assert not HASHING.outdated(HASHING.hash("correct horse"))


def test_the_gate_turns_away_what_it_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    hashing = PasswordHashing(concurrency=1, waiting_max=1)
    entered, leave = threading.Event(), threading.Event()

    def slowly(password: str) -> str:
        entered.set()
        leave.wait(180)
        return password

    monkeypatch.setattr(hashing, "_make", slowly)
    first = threading.Thread(target=hashing.hash, args=("correct horse",))
    first.start()
    assert entered.wait(180)
    second = threading.Thread(target=hashing.hash, args=("correct horse",))
    second.start()
    # The second waits as soon as it has been admitted; from then on there is no room for a third.
    while hashing._admitted._value:
        second.join(0.01)

    with pytest.raises(TooManyPasswordsError):
        hashing.hash("correct horse")

    leave.set()
    first.join()
    second.join()
    assert hashing.hash("correct horse") == "correct horse"


def test_hashing_for_many_threads_takes_the_memory_of_two_hashes() -> None:
    # In a process of its own: how a library allocates is a property of the whole process.
    program = """
import pathlib, threading
from services.accounts.users.passwords import PasswordHashing
hashing = PasswordHashing(concurrency=2, waiting_max=100)
encoded = hashing.hash("correct horse")
threads = [threading.Thread(target=hashing.matches, args=("correct horse", encoded)) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096)
"""

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert int(printed) < 90 * 1024 * 1024
