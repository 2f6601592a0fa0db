"""Alembic's entry into this service's history."""

from services.kit.migrations import run_env
from services.orchestrator.tables import Base

run_env(Base.metadata)
