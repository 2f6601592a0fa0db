"""Errors of administration."""

from services.kit.errors import Conflict, Invalid, NotFound


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "There is no such user"


class LastAdmin(Conflict):
    code = "last_admin"
    title = "Somebody has to be an admin, and this is the last who is"


class TooFewCredits(Conflict):
    code = "too_few_credits"
    title = "The account has fewer credits than are to be taken"


class PromotionOver(Invalid):
    code = "promotion_over"
    title = "A promotion gives credits, and ends later than now"
