"""What libraries would tell their makers about this machine."""

import os


def forbid_telemetry() -> None:
    """Call before ``import onnxruntime``, which otherwise reports to Microsoft and writes an id into the user's cache.

    Whoever has set ``ORT_DISABLE_TELEMETRY`` has decided already.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
