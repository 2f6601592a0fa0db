"""The upload service as a process: `stemwright run upload`."""

import ctypes

from services.kit.serving import serve
from services.kit.settings import load
from services.upload.app import build
from services.upload.settings import Settings

PR_SET_DUMPABLE = 4


def main() -> None:
    """Runs until told to stop."""
    # The process that decodes has the same user: it shall neither read this one's memory nor its environment.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    settings = load(Settings)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
