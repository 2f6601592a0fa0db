"""The notifier as a process: `stemwright run notifier`."""

from services.kit.serving import serve
from services.kit.settings import load
from services.notifier.app import build
from services.notifier.settings import Settings


def main() -> None:
    """Runs until told to stop."""
    settings = load(Settings)
    app = build(settings)
    serve(app, settings, on_stopping=app.state.readers.close)


if __name__ == "__main__":
    main()
