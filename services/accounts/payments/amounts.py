"""Amounts of money as people read them."""

_DIGITS = {
    **dict.fromkeys(("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"), 0),
    **dict.fromkeys(("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"), 0),
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 3),
}
"""Digits after the point, where they are not two: Stripe's list of zero- and three-decimal currencies."""


def amount_text(minor: int, currency: str) -> str:
    """`499, "eur"` as `4.99 EUR`."""
    digits = _DIGITS.get(currency, 2)
    sign, minor = "-" if minor < 0 else "", abs(minor)
    whole, rest = divmod(minor, 10**digits)
    return f"{sign}{whole}{f'.{rest:0{digits}d}' if digits else ''} {currency.upper()}"
