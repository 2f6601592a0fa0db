"""Where requests come from."""

import ipaddress

# What providers give a subscriber at the least (RIPE-690): whoever has a /56 has 256 networks of the size that one wire
# has, and would have so many times each limit.
_SUBSCRIBER_BITS = 56
# Clients of IPv4 behind a translator (RFC 6052): all of them have one network of IPv6.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /56 that one IPv6 subscriber has to himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _TRANSLATED:
        return str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return str(ipaddress.IPv6Network((int(parsed), _SUBSCRIBER_BITS), strict=False))
