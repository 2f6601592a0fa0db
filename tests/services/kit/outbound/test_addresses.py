"""Addresses that somebody outside has named lead to the public internet and nowhere else."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from pydantic import ValidationError

from services.kit.outbound.fetcher import Fetcher, FetchFailed
from services.kit.outbound.networks import is_public
from services.kit.outbound.urls import AddressRefused, target_of
from services.kit.settings import OutboundSettings
from tests.databases import PATIENCE_SECONDS
from tests.services.kit.outbound.named import REFUSED, Resolver


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_that_might_be_inside_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        target_of(url)


def test_a_public_address_is_taken_as_it_is() -> None:
    target = target_of("HTTPS://Hooks.Example.com:8443?a=%20b&c='")

    assert (target.host, target.port, target.authority) == ("hooks.example.com", 8443, "hooks.example.com:8443")
    assert target.target == "/?a=%20b&c='"
    assert target_of("https://xn--bcher-kva.example.com").authority == "xn--bcher-kva.example.com"


def test_this_machine_may_be_named_in_development_and_nothing_else_inside() -> None:
    for url in ("http://127.0.0.1:9000/hook", "https://localhost:8443/", "http://[::1]:1/"):
        assert target_of(url, allow_loopback=True).is_loopback
    for url in ("http://127.0.0.2/", "http://169.254.169.254/", "http://kafka:9092/", "http://hooks.example.com/"):
        with pytest.raises(AddressRefused):
            target_of(url, allow_loopback=True)
    with pytest.raises(ValidationError, match="ALLOW_LOOPBACK"):
        OutboundSettings(environment="production", outbound_allow_loopback=True)


INSIDE = (
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "168.63.129.16", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
    *("2002:7f00:1::", "2001::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1"),
)
OUTSIDE = ("1.1.1.1", "172.15.255.255", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "2a00:1450::1")


def test_which_addresses_are_public() -> None:
    assert [address for address in INSIDE if is_public(ip_address(address))] == []
    assert [address for address in OUTSIDE if not is_public(ip_address(address))] == []


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2606:4700::1111", "::ffff:127.0.0.1"], []]
)
def test_a_name_that_stands_for_an_address_inside_is_not_called(addresses: Sequence[str]) -> None:
    resolver = Resolver(addresses)

    async def call() -> None:
        fetcher = Fetcher(OutboundSettings(), timeout_seconds=PATIENCE_SECONDS, resolve=resolver)
        try:
            await fetcher.send(
                "POST", "https://hooks.example.com/", asker="usr_a", headers={}, body=b"{}", limit_bytes=1000
            )
        finally:
            await fetcher.aclose()

    with pytest.raises(FetchFailed, match=r"public internet|no such host"):
        asyncio.run(call())

    assert resolver.asked == ["hooks.example.com"]
