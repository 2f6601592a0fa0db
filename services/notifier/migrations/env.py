"""Alembic's entry point for this service's history."""

from services.kit.migrations import run_env
from services.notifier.models import Base

run_env(Base.metadata)
