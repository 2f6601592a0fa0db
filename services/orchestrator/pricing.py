"""What a job costs: one credit per second of audio separated in full, rounded up; previews are free."""

import math
from typing import Literal

Mode = Literal["full", "preview"]


def price_credits(mode: Mode, duration_seconds: float) -> int:
    """Credits for separating audio of this length; at least one unless it is a preview."""
    return 0 if mode == "preview" else max(1, math.ceil(duration_seconds))
