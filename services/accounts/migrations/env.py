"""Alembic's entry point."""

from services.accounts.models import Base
from services.kit.migrations import run_env

run_env(Base.metadata)
