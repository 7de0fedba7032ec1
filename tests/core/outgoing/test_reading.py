"""An address is read in one way or not at all, and what it leads to is judged by more than what Python calls global."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.messages.media import media_as_sent, require_public
from core.outgoing import NotFetched, Outgoing, is_public, read_address

ODD_HOSTS = (
    "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "0x7f.1", "169.254.43518", "2852039166", "0",
    "①②⑦.0.0.1", "127.0.0.1.", "169.254.169.254.", "localhost.", "134744072", "a..b", "-x.example", "xn--a.example",
    f"{'a' * 64}.example", "fe80::1", "[fe80::1%eth0]", "[::ffff:127.0.0.1", "good.example\uff1a443", "a b.example", "",
    "good.example:99999", "good.example:-1", "good.example:443@evil.example", "good.example@evil.example",
    "good.example%2f@evil.example", "good.example%20@evil.example", "good.example\t.evil.example",
    "good.example\\@evil.example",
)  # fmt: skip
"""What some readers take for another host than others do, or for none."""
INSIDE = (
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::1", "2002:a9fe:a9fe::", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "::ffff:169.254.169.254", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "fec0::1", "224.0.0.1",
    "ff02::1", "192.0.0.192", "192.88.99.1", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1", "::1",
    "0.0.0.0", "::",  # noqa: S104 nobody listens there
    "127.0.0.1", "10.0.0.5", "172.16.3.4", "192.168.1.1", "169.254.169.254", "255.255.255.255",
    "240.0.0.1", "198.18.0.1", "2606:4700::5efe:10.0.0.5", "2606:4700::200:5efe:10.0.0.5", "2001:db8::1", "100.64.0.1",
)  # fmt: skip
IN_A_LINK = [f"[{one}]" if ":" in one else one for one in INSIDE]
OUTSIDE = (
    "2606:4700::1111",
    "93.184.216.34",
    "2002:5db8:d822::1",
    "::ffff:93.184.216.34",
    "64:ff9b::5db8:d822",
    "8.8.8.8",
)


@pytest.mark.parametrize("host", ODD_HOSTS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_what_is_read_differently_is_not_read(host: str, scheme: str) -> None:
    """A host in another writing than all readers share is none, with one sentence that repeats nothing of it."""
    with pytest.raises(ValueError, match=r"^It") as refused:
        read_address(f"{scheme}://{host}/")
    assert not host or len(host) < 2 or host not in str(refused.value)
    with pytest.raises(NotFetched, match="not allowed"):
        Outgoing((ip_network("0.0.0.0/1"),)).require_allowed(f"{scheme}://{host}/")


@pytest.mark.parametrize(
    "written", ["https:evil.example", "https:/\\evil.example", "//evil.example", "\u0001https://evil.example", " https://a.example"]
)  # fmt: skip
def test_an_address_has_a_scheme_and_two_slashes(written: str) -> None:
    """What readers complete, each in his way, is no address."""
    with pytest.raises(ValueError, match=r"^It"):
        read_address(written)


@pytest.mark.parametrize(
    ("written", "origin", "rest"),
    [
        ("https://good.example/a%5Cb?x=@y", "https://good.example", ("/a%5Cb", "?x=@y")),
        ("https://GOOD.example:443/", "https://good.example", ("/", "")),
        ("https://evil.example#@good.example/", "https://evil.example", ("", "")),
        ("https://evil.example?@good.example/", "https://evil.example", ("", "?@good.example/")),
        ("https://bücher.example", "https://xn--bcher-kva.example", ("", "")),
        ("https://my_bucket.example:8443/a", "https://my_bucket.example:8443", ("/a", "")),
        ("https://[2606:4700:0::1111]/", "https://[2606:4700::1111]", ("/", "")),
    ],
)
def test_what_all_read_alike_is_taken_apart_once(written: str, origin: str, rest: tuple[str, str]) -> None:
    """Host and path are those of every reader, and what is used is what was judged."""
    address = read_address(written)
    assert (address.origin, (address.path, address.query)) == (origin, rest)


@given(st.text(min_size=1, max_size=40))
def test_any_host_is_read_or_refused(host: str) -> None:
    """Whatever stands where a host does: nothing else is raised."""
    try:
        address = read_address(f"https://{host}/")
    except ValueError:
        return
    assert address.host.isascii()
    assert read_address(f"{address.origin}/").host == address.host


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_public(address: str) -> None:
    """Private, local, reserved and shared addresses are not, nor are those that carry one of them, however."""
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_public(address: str) -> None:
    """Nor does it matter how a public one is carried."""
    assert is_public(ip_address(address))


def test_a_network_of_ones_own_can_be_allowed() -> None:
    """What lies in it is, also where an address of IPv6 carries it; what lies beside it is not."""
    allowed = (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    assert all(is_public(ip_address(one), allowed) for one in ("10.20.3.4", "::ffff:10.20.3.4", "fd12::1"))
    assert not any(
        is_public(ip_address(one), allowed) for one in ("10.21.0.1", "127.0.0.1", "fe80::1", "64:ff9b::7f00:1")
    )


@pytest.mark.parametrize("host", [one for one in (*ODD_HOSTS, *IN_A_LINK, "localhost", "db.internal") if one])
def test_no_vendor_is_handed_a_link_into_a_network(host: str) -> None:
    """A link of an image or a document, which a vendor or a server of ours is going to fetch, is held to the same."""
    with pytest.raises(Invalid):
        require_public(f"https://{host}/a.png", "it")
    with pytest.raises(Invalid):
        media_as_sent("image", "it", url=f"https://{host}/a.png")
    with pytest.raises(Invalid):
        media_as_sent("image", "it", url=f"http://{host}/a.png")
