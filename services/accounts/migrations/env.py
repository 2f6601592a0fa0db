"""Alembic's entry point."""

from services.kit.migrations import run_env

run_env()
