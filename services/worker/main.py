"""Runs the worker: `stemwright run worker`."""

import sys

from separation.errors import ModelError
from separation.models.repository import ModelRepository
from services.kit.serving import serve
from services.kit.settings import EX_CONFIG, load
from services.worker.app import build
from services.worker.settings import Settings


def main() -> None:
    """Serves until told to stop, then lets running attempts end within their grace."""
    settings = load(Settings)
    try:
        for name in settings.models:
            ModelRepository(settings.model_repository).manifest(name)
    except ModelError as error:
        print(f"stemwright: {error}", file=sys.stderr)  # noqa: T201 - no logging yet
        raise SystemExit(EX_CONFIG) from None
    serve(build(settings), settings, has_clients=False)


if __name__ == "__main__":
    main()
