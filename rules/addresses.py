"""Which addresses a connection may go to when a tenant chose the address. Pure: resolves and connects nothing."""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("fd00:ec2::254/128"),  # AWS, instance metadata over IPv6
    ipaddress.ip_network("100.100.100.200/32"),  # Alibaba Cloud
    ipaddress.ip_network("168.63.129.16/32"),  # Azure, platform services
    ipaddress.ip_network("192.0.0.192/32"),  # Oracle Cloud
)
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.ip_network("2002::/16")


def refusal(
    ip: str | Ip, allow_private: bool, allowed_networks: Sequence[Network] = ()
) -> str | None:
    """Return why a connection to ``ip`` is refused, or None when it may be made.

    Metadata, link-local, unspecified, multicast and reserved addresses are refused whatever is
    allowed. An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is judged by that one.
    """
    try:
        address = ipaddress.ip_address(ip) if isinstance(ip, str) else ip
    except ValueError:
        return "not an address"
    address = _carried(address)
    if any(address in network for network in _METADATA):
        return "link-local or metadata address"
    if address.is_unspecified or address in ipaddress.ip_network("0.0.0.0/8"):
        return "unspecified address"
    if isinstance(address, ipaddress.IPv6Address) and address.teredo is not None:
        return "tunnel address"
    if address.is_multicast:
        return "multicast address"
    if address.is_reserved and not address.is_loopback:
        return "reserved address"
    if not (address.is_private or address.is_loopback or address in _SHARED):
        return None if address.is_global else "address without a global meaning"
    if allow_private or any(address in network for network in allowed_networks):
        return None
    return "loopback address" if address.is_loopback else "private address"


def _carried(address: Ip) -> Ip:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (int(address) >> 32 == 0 and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    return address
