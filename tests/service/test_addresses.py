# ruff: noqa: S104 - addresses to judge, not to bind
from ipaddress import ip_address

import psutil
import pytest

from lipwright.service.addresses import is_loopback, is_private, is_public

PUBLIC = ["93.184.216.34", "8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
          "2002:808:808::1", "172.32.0.1", "100.128.0.1"]  # fmt: skip
PRIVATE = ["127.0.0.1", "127.255.255.254", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
           "100.100.100.200", "::1", "fd00:ec2::254", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
           "64:ff9b::127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1"]  # fmt: skip
NEVER = ["0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
         "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.192", "168.63.129.16",
         "192.88.99.1", "::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1",
         "::127.0.0.1", "::8.8.8.8", "2001::7f00:1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
         "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2002:e000:1::"]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_public(address):
    assert is_public(ip_address(address))
    assert not is_private(ip_address(address))


@pytest.mark.parametrize("address", PRIVATE)
def test_this_machine_and_its_network_are_private(address):
    assert not is_public(ip_address(address))
    assert is_private(ip_address(address))


@pytest.mark.parametrize("address", NEVER)
def test_the_rest_is_neither(address):
    assert not is_public(ip_address(address))
    assert not is_private(ip_address(address))


def test_this_machines_own_public_address_is_private(monkeypatch):
    class Interface:
        address = "93.184.216.34"

    assert is_public(ip_address("93.184.216.34"))
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": [Interface]})
    assert not is_public(ip_address("93.184.216.34"))
    assert not is_public(ip_address("::ffff:93.184.216.34"))
    assert is_private(ip_address("93.184.216.34"))


def test_loopback_has_many_names():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1")))
    assert not any(
        map(is_loopback, ("", "0.0.0.0", "10.0.0.1", "example.com", "localhost.example.com", "::", "testclient"))
    )
