"""What a job costs. Pure: the rate is accounts' word, and one credit of the default one is a second of sound."""


def price_credits(duration_seconds: float, millicredits_per_second: int) -> int:
    """Whole credits for separating audio of this length in full, rounded up; at least one.

    Lengths count in microseconds, far below a sample: what binary fractions make of a length costs nobody a credit.
    """
    microseconds = round(duration_seconds * 1_000_000)
    return max(1, -(-microseconds * millicredits_per_second // 1_000_000_000))
