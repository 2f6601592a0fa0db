"""Runs the canary: `stemwright run canary`."""

from services.canary.app import build
from services.canary.settings import Settings
from services.kit.serving import serve
from services.kit.settings import load


def main() -> None:
    """Sends songs until told to stop."""
    settings = load(Settings)
    serve(build(settings), settings, has_clients=False)


if __name__ == "__main__":
    main()
