"""The upload service as a process: `stemwright run upload`."""

from services.kit.app import serve
from services.kit.settings import load
from services.upload.app import build
from services.upload.settings import Settings


def main() -> None:
    """Runs until told to stop."""
    settings = load(Settings)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
