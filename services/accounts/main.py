"""`stemwright run accounts`."""

import sys

from services.accounts.app import build
from services.accounts.sessions.signing_key import SigningKeyMissingError, load_signing_keys
from services.accounts.settings import Settings
from services.kit.serving import serve
from services.kit.settings import EX_CONFIG, load


def main() -> None:
    settings = load(Settings)
    try:
        keys = load_signing_keys(settings)
    except SigningKeyMissingError as error:
        print(f"stemwright: {error}", file=sys.stderr)  # noqa: T201 - logging is not set up yet
        raise SystemExit(EX_CONFIG) from None
    serve(build(settings, keys), settings)
