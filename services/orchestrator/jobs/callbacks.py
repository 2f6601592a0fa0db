"""Which addresses an order may name to be called when it is over."""

from services.kit.auth import Principal, Role
from services.kit.outbound.urls import AddressRefused, target_of
from services.orchestrator.jobs.errors import CallbacksForPartners, CallbackUrlRefused
from services.orchestrator.settings import Settings


def may_have_callbacks(caller: Principal) -> bool:
    return Role.PARTNER in caller.roles


def check_callback(caller: Principal, url: str | None, settings: Settings) -> None:
    """By the rules for webhook endpoints. Raises CallbacksForPartners, CallbackUrlRefused."""
    if url is None:
        return
    if not may_have_callbacks(caller):
        raise CallbacksForPartners
    try:
        target_of(url, allow_loopback=settings.outbound_allow_loopback)
    except AddressRefused as error:
        raise CallbackUrlRefused(f"callback_url {error}") from None
