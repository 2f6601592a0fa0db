"""Where a request comes from, as far as it is remembered."""

from dataclasses import dataclass

from starlette.requests import Request

from services.kit.addresses import network_of

MAX_USER_AGENT_CHARACTERS = 200


@dataclass(frozen=True)
class Origin:
    """`network` is an IPv4 address or the /56 of an IPv6 address; both are None where nobody asked over HTTP."""

    network: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, request: Request) -> "Origin":
        """The gateway, which alone talks to this service, vouches for `X-Forwarded-For`."""
        peer = request.client.host if request.client else ""
        return cls(
            network_of(request.headers.get("x-forwarded-for", peer)), _one_line(request.headers.get("user-agent", ""))
        )


def _one_line(text: str) -> str | None:
    return "".join(character for character in text if character.isprintable())[:MAX_USER_AGENT_CHARACTERS] or None
