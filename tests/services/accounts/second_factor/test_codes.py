"""Codes of apps against the vectors of RFC 6238, and recovery codes."""

import base64
from datetime import UTC, datetime

import pytest

from services.accounts.second_factor import codes

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    assert codes.code_at(RFC_SECRET, at(seconds)) == code
    assert codes.matching_step(RFC_SECRET, code, at(seconds), None) == seconds // 30


@pytest.mark.parametrize(
    ("late", "taken"), [(-31, False), (-30, True), (0, True), (29, True), (59, True), (61, False), (-61, False)]
)
def test_the_neighbours_of_a_step_are_taken_too(late: int, taken: bool) -> None:
    begin = 1_200_000_000
    code = codes.code_at(RFC_SECRET, at(begin))
    assert (codes.matching_step(RFC_SECRET, code, at(begin + late), None) is not None) is taken


def test_no_step_counts_twice_nor_one_before_it() -> None:
    now = at(1_200_000_000)
    step = codes.matching_step(RFC_SECRET, codes.code_at(RFC_SECRET, now), now, None)
    assert step is not None
    assert codes.matching_step(RFC_SECRET, codes.code_at(RFC_SECRET, now), now, step) is None
    assert codes.matching_step(RFC_SECRET, codes.code_at(RFC_SECRET, at(1_200_000_000 - 30)), now, step) is None
    following = codes.code_at(RFC_SECRET, at(1_200_000_000 + 30))
    assert codes.matching_step(RFC_SECRET, following, now, step) == step + 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "ABCDEF", "١٢٣٤٥٦", "12345\ud800", "a" * 10_000])
def test_what_has_not_the_form_of_a_code_matches_nothing(code: str) -> None:
    assert not codes.is_app_code(code)
    assert codes.matching_step(RFC_SECRET, code.encode("utf-8", "replace").decode(), at(59), None) is None


def test_recovery_codes_are_found_however_they_are_typed() -> None:
    made = codes.new_recovery_codes()
    assert len(set(made)) == codes.RECOVERY_CODES
    for code in made:
        assert not codes.is_app_code(code)
        assert codes.recovery_digest(code.upper().replace("-", " ")) == codes.recovery_digest(code)
    assert len({codes.recovery_digest(code) for code in made}) == codes.RECOVERY_CODES


def test_an_app_reads_the_address_and_the_secret() -> None:
    url = codes.otpauth_url(RFC_SECRET, "ada@example.com", "Stemwright")
    assert url.startswith("otpauth://totp/Stemwright:ada%40example.com?")
    assert f"secret={RFC_SECRET}" in url
    assert "issuer=Stemwright" in url
