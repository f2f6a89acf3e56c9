"""The table of addresses an upstream connection may and may not go to."""

import ipaddress

import pytest

from rules.addresses import refusal

# fmt: off
ALWAYS = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "0.0.0.0", "0.1.2.3", "::",
    "::ffff:0.0.0.0", "224.0.0.1", "239.1.2.3", "ff02::1", "255.255.255.255", "240.0.0.1", "::a9fe:a9fe",
    "2001:0:a9fe:a9fe::1",
]
PRIVATE = [
    "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "::ffff:10.0.0.1", "fc00::1", "fd12:3456::1", "100.64.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::808:808"]
# fmt: on


@pytest.mark.parametrize("ip", ALWAYS)
def test_some_addresses_are_refused_whatever_is_allowed(ip: str) -> None:
    everything = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert refusal(ip, True, everything)


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_and_loopback_need_leave(ip: str) -> None:
    assert refusal(ip, False)
    assert refusal(ip, True) is None


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    assert refusal(ip, False) is None


def test_a_listed_network_passes_and_its_neighbours_do_not() -> None:
    networks = (ipaddress.ip_network("10.1.0.0/16"),)
    assert refusal("10.1.2.3", False, networks) is None
    assert refusal("::ffff:10.1.2.3", False, networks) is None
    assert refusal("10.2.0.1", False, networks)


@pytest.mark.parametrize(
    "text", ["", "localhost", "0177.0.0.1", "2130706433", "1.2.3", "127.0.0.1/8"]
)
def test_what_is_not_an_address_is_refused(text: str) -> None:
    assert refusal(text, True)
