"""The imported model, as the engine's tests have it."""

from tests.separation.conftest import model_repository

__all__ = ["model_repository"]
