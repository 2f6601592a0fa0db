"""What data may have been in a model that everybody gets."""

import pytest

from training.licences import all_free, is_free


@pytest.mark.parametrize(
    "expression",
    [
        *("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "MIT", "Apache-2.0", "LicenseRef-own", "MIT AND CC-BY-4.0"),
        "CC-BY-NC-4.0 OR CC-BY-4.0",
    ],
)
def test_free(expression: str) -> None:
    assert is_free(expression)


@pytest.mark.parametrize(
    "expression",
    [
        *("", "unknown", "research only", "MUSDB18: research only (NC)", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
        *("CC-BY-ND-4.0", "MIT AND CC-BY-NC-4.0", "CC BY 4.0, non-commercial", "no licence", "CC0-1.0 (NC)"),
        "MIT\nresearch only",
    ],
)
def test_not_free(expression: str) -> None:
    assert not is_free(expression)


def test_one_that_is_not_free_is_enough_and_none_is_not() -> None:
    assert all_free(["MIT", "CC0-1.0"])
    assert not all_free(["MIT", "research only"])
    assert not all_free([])
