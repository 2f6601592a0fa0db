"""Email addresses."""

import pytest

from services.accounts.users.emails import parse


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada@example.com", "ada@EXAMPLE.com"),
        ("caf\u00e9@example.com", "cafe\u0301@example.com"),
        ("ada@b\u00fccher.example.com", "ada@xn--bcher-kva.example.com"),
        ("straße@example.com", "STRASSE@example.com"),
    ],
)
def test_two_spellings_of_a_mailbox_have_one_key(one: str, other: str) -> None:
    assert parse(one).key == parse(other).key


def test_the_address_keeps_its_owners_spelling() -> None:
    assert parse("Ada.Lovelace+songs@Example.com").address == "Ada.Lovelace+songs@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example.com\n",
        "a\0da@example.com",
        "ada@exa\ud800mple.com",
        "ada@example.com\u202e",
        "ada@" + "b" * 300 + ".com",
        "ada@[127.0.0.1]",
        "ada@example..com",
        "Ada <ada@example.com>",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\."):
        parse(text)
