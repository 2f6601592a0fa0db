"""Errors about users."""

from services.kit.errors import Conflict, RateLimited, StemwrightError


class EmailTaken(Conflict):
    """Never answered: whoever signs up is not told who is here already."""

    code = "email_taken"
    title = "Somebody has registered with this address already"


class LinkNotValid(StemwrightError):
    status = 400
    code = "link_not_valid"
    title = "This link has been used, or is too old; ask for another one"


class TooManyMails(RateLimited):
    code = "too_many_mails"
    title = "Too many mails for this address were asked for from here"
