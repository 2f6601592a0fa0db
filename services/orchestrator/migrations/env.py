"""Alembic's entry into this service's history."""

from services.kit.migrations import run_env

run_env()
