"""How rates are named. Pure."""

EVERY_MODEL = "*"
FALLBACK = "*/fast"
"""The code of the rate that counts where there is no other. It is never without a version in force."""


def code_of(model: str, tier: str) -> str:
    """What the rate of a model and a tier goes by in the list of prices."""
    return f"{model}/{tier}"


def model_and_tier(code: str) -> tuple[str, str]:
    """The two that a rate's code is made of."""
    model, _, tier = code.rpartition("/")
    return model, tier
