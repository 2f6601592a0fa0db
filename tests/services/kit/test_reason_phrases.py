from http import HTTPStatus

import pytest

from services.kit.reason_phrases import reason_phrase


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (404, "Not Found"),
        (413, "Request Entity Too Large"),
        (414, "Request-URI Too Long"),
        (416, "Requested Range Not Satisfiable"),
        (422, "Unprocessable Entity"),
    ],
)
def test_a_status_has_the_same_name_in_every_python(status: int, name: str) -> None:
    assert reason_phrase(status) == name


def test_every_status_has_a_name() -> None:
    assert all(reason_phrase(status) for status in HTTPStatus)
