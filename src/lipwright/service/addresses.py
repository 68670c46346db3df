"""Which addresses a service may be sent to by strangers: those of the public internet."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import psutil

Address = IPv4Address | IPv6Address

# Public by their number, and still not: services of the cloud around this machine, and what newer registries list as
# special than the one Python was built with.
_SPECIAL_4 = tuple(map(IPv4Network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24")))
_SPECIAL_6 = tuple(map(IPv6Network, ("64:ff9b:1::/48", "100::/63", "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10")))
_PRIVATE_4 = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_PRIVATE_6 = tuple(map(IPv6Network, ("::1/128", "fc00::/7")))
_NAT64 = IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = IPv6Network("2002::/16")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet and not this machine's own."""
    plain = carried(address)
    return _is_global(plain) and str(plain) not in _own()


def is_private(address: Address) -> bool:
    """Whether it is this machine or the network around it: what an operator may open.

    The link-local addresses, under which clouds hand out credentials, are not among them.
    """
    plain = carried(address)
    if str(plain) in _own() and not plain.is_link_local:
        return True
    networks = _PRIVATE_4 if isinstance(plain, IPv4Address) else _PRIVATE_6
    return any(plain in network for network in networks)


def is_loopback(host: str) -> bool:
    """Whether a peer or host, given as an address or as `localhost`, is this machine."""
    if host == "localhost":
        return True
    try:
        return carried(ip_address(host.strip("[]"))).is_loopback
    except ValueError:
        return False


def carried(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address that is only its carrier; else the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if address in _NAT64:
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    return address


def _is_global(address: Address) -> bool:
    special = _SPECIAL_4 if isinstance(address, IPv4Address) else _SPECIAL_6
    if any(address in network for network in special):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _own() -> set[str]:
    """The addresses of this machine: what listens there may trust them as it trusts loopback."""
    return {each.address.partition("%")[0] for interface in psutil.net_if_addrs().values() for each in interface}
