"""One rule for ids, whoever asks: the gateway, the event log and the database."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.ids import PREFIXES, id_pattern, is_id, new_id
from tests.ids import numbered


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_we_make_is_an_id(prefix: str) -> None:
    assert is_id(prefix, new_id(prefix))
    assert re.search(id_pattern(prefix), new_id(prefix))
    assert is_id(prefix, numbered(prefix, 12))


@pytest.mark.parametrize(
    "wrong",
    [
        "upl_" + "i" * 26,  # not a digit of Crockford's, and what once stopped the orchestrator
        "upl_" + "8" + "0" * 25,  # more than 128 bits
        "upl_" + "0" * 25,
        "upl_" + "0" * 27,
        "UPL_" + "0" * 26,
        "upl_" + "0" * 25 + "A",
        "job_" + "0" * 26,
        "upl_" + "0" * 26 + "\n",
        "upl_" + "٠" * 26,
        "",
    ],
)
def test_what_only_looks_like_one_is_none(wrong: str) -> None:
    assert not is_id("upl", wrong)


@given(st.from_regex(r"(upl|job)_[0-9a-zA-Z]{24,27}\n?", fullmatch=True))
def test_the_rule_that_clients_read_is_the_rule_that_we_apply(text: str) -> None:
    # `\Z` for `$`: in Python alone `$` also stands before a last newline; JSON Schema and pydantic read it as the end.
    told = id_pattern("upl").replace("$", r"\Z")
    assert is_id("upl", text) == (re.search(told, text) is not None)


def test_a_prefix_that_is_not_ours_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="abc"):
        new_id("abc")
