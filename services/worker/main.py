"""Runs the worker: `stemwright run worker`."""

import signal
import sys

from separation.errors import ModelError
from separation.registry import ModelRepository
from services.kit.app import serve
from services.kit.settings import EX_CONFIG, load
from services.worker.app import build
from services.worker.settings import Settings


def main() -> None:
    """Serves until told to stop, then lets running attempts end within their grace. A stop on demand exits with 0."""
    settings = load(Settings)
    try:
        ModelRepository(settings.model_repository).manifest(settings.model)
    except ModelError as error:
        print(f"stemwright: {error}", file=sys.stderr)  # noqa: T201 - no logging yet
        raise SystemExit(EX_CONFIG) from None
    # The server raises the signal again once everything is at rest; by default that would be a death by signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
