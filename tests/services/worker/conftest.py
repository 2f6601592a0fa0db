"""The imported model, as the engine's tests have it, and patience with servers that run beside the tests."""

from collections.abc import Iterator

import pytest

from tests.separation.conftest import model_repository
from tests.services.worker.waiting import PATIENT

__all__ = ["model_repository"]


@pytest.fixture(scope="session", autouse=True)
def patient_pings() -> Iterator[None]:
    """A worker asks a Triton server again that does not answer in seconds; a test asks once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.worker.inference.triton.inference._PING_SECONDS", PATIENT.call_seconds)
        patch.setattr("services.worker.inference.triton.buffers._REGISTER_SECONDS", PATIENT.call_seconds)
        yield
