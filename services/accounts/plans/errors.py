"""Errors about prices."""

from services.kit.errors import Conflict, Invalid, NotFound


class PriceNotFound(NotFound):
    code = "price_not_found"
    title = "There is no such price"


class PriceInThePast(Invalid):
    code = "price_in_the_past"
    title = "A price begins now or later: what was sold was sold at the price of its day"


class PriceNeeded(Conflict):
    code = "price_needed"
    title = "Whatever has no rate of its own is priced by this one: set another in its place"


class TooManyRates(Conflict):
    code = "too_many_rates"
    title = "There are as many rates as can be told: withdraw some first"
