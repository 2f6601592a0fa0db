"""Runs the orchestrator: `stemwright run orchestrator`."""

from services.kit.serving import serve
from services.kit.settings import load
from services.orchestrator.app import build
from services.orchestrator.settings import Settings


def main() -> None:
    """Serves until told to stop."""
    settings = load(Settings)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
