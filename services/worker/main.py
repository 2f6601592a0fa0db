"""Entry point of `stemwright run worker`."""

from services.kit.app import serve
from services.kit.settings import load
from services.worker.app import build
from services.worker.settings import Settings


def main() -> None:
    settings = load(Settings)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
