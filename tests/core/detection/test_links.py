"""A link goes on if every reader would follow it to what is allowed; a path, if it stays in its folder."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.detection import Detector
from core.detection.links import LinkDetector, address_of
from core.detection.paths import PathDetector
from tests.core.detection.cuts import cut_points, hold, marked, texts
from tests.examples import many

LINKS = LinkDetector(
    ["https://good.example", "https://docs.example:8443/a/b", "https://*.sub.example", "http://192.0.2.7"]
)
PATHS = PathDetector(["/srv/data"])
REFUSED = [
    "http://good.example\\@evil.example/", "http://127.0.0.1:6666\\@1.1.1.1", "https://good.example@evil.example/",
    "https://good.example:443@evil.example", "https://evil.example#@good.example/", "https://evil.example?@good.example/",
    "https://good.example%2f@evil.example/", "https://good.example%20@evil.example", "https://good.example\\t.evil.example/",
    "https://good.example\\r\\nHost: x/", "https:evil.example", "https:/\\evil.example", "//evil.example",
    "\x01https://evil.example", "https://good.example\uff1a443/", "https://g\u043e\u043ed.example",
    "https://good.example.evil.example", "https://evilgood.example", "http://good.example/", "https://good.example:444",
    "https://go\u200bod.example", "HTTPS:\\\\good.example", "www.evil.example", "ftp://good.example",
    "javascript:alert(1)", "data:text/html,<b>", "file:///etc/passwd", "https://sub.example", "https://a.b.sub.example@x",
    "https://docs.example:8443/a", "https://docs.example:8443/a/bc", "https://docs.example:8443/a/b/../c",
    "https://docs.example:8443/a/b/%2e%2e/c", "https://docs.example:8443/a/b/%252e%252e/c", "https://docs.example:8443/a//b",
    "https://docs.example:8443/a/b/%2525252e%2525252e/c", "https://docs.example:8443/a\\b",
    *(f"http://{host}/" for host in (
        "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "0x7f.1", "169.254.43518", "0", "134744072",
        "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "127.0.0.1.", "localhost.", "LOCALHOST", "192.0.2.007",
        "[::1]", "[::ffff:192.0.2.7]", "[fe80::1%25eth0]", "xn--a.attacker.example",
        f"{'a' * 64}.example", "-x.example", "a..b",
    )),
]  # fmt: skip
ALLOWED = [
    "https://good.example/a%5Cb?x=@y", "https://GOOD.example:443/", "https://good.example", "https://docs.example:8443/a/b/c?d",
    "https://docs.example:8443/a/%62", "https://a.b.sub.example/x#y", "http://192.0.2.7/", "https://good.example/\u00fc",
]  # fmt: skip


@pytest.mark.parametrize("link", REFUSED)
def test_what_is_not_allowed(link: str) -> None:
    """Neither by itself nor in a text: of two readings none is chosen."""
    assert not LINKS.allows(link)
    assert LINKS.find(f"See ({link}) there.")


@pytest.mark.parametrize("link", ["https://good.example.", "https://good.example:", " https://good.example", ""])
def test_a_whole_text_is_taken_to_the_letter(link: str) -> None:
    """What would end a sentence is of an address that stands alone."""
    assert not LINKS.allows(link)


@pytest.mark.parametrize("link", ALLOWED)
def test_what_is_allowed(link: str) -> None:
    """Wherever it stands in a sentence."""
    assert LINKS.allows(link)
    assert not LINKS.allows(f"{link}\n")
    for around in ("See {}.", "({}),", "[x]({})!", '"{}"', "<{}>", "a={};"):
        assert LINKS.find(around.format(link)) == []


def test_the_link_alone_goes() -> None:
    """What ends the sentence stays, and so does what is no link."""
    text = "See https://evil.example/a_(b), [x](http://x.example/?y=1). At 12:30 // note: a ratio of 3:4, e.g. http: no"
    found = "See [a link that is not allowed], [x]([a link that is not allowed])."
    assert marked(LINKS, text) == f"{found} At 12:30 // note: a ratio of 3:4, e.g. http: no"


@pytest.mark.parametrize(
    "entry", ["good.example", "https://", "https://a b", "https://a/../b", "https://a/?x", "https://1.2"]
)
def test_a_wrong_entry_is_told(entry: str) -> None:
    """By its number; nobody finds out later that nothing was allowed, or everything."""
    with pytest.raises(ValueError, match="Entry 2 of the list"):
        LinkDetector(["https://good.example", entry])
    with pytest.raises(ValueError, match="Entry 1 of the list"):
        PathDetector([entry])


def test_every_host_is_read_or_refused() -> None:
    """Ten thousand hosts of chance: none ends in an error of another kind."""
    of_chance = random.Random(20261202)  # noqa: S311  # nothing is to be kept secret by it
    letters = "ab0.-_:[]%@xn--\u00fc\u0430\u3002\uff0e\u200d\u05d0\ud800/\\ "
    for _ in range(10_000):
        host = "".join(of_chance.choice(letters) for _ in range(of_chance.randrange(14)))
        with suppress(ValueError):
            assert address_of(f"https://{host}/").host.isascii()


PLACES = {
    "/srv/data/a.txt": True, "a.txt": True, "sub/../a.txt": True, "a..b.txt": True, "notes/2026..2027.md": True,
    "/srv/data": True, "./a": True, "%61.txt": True, "%252561.txt": True, "../x": False,
    "/srv/data/../etc/passwd": False,
    "/srv/data-evil/x": False, "..%2fx": False, "%2e%2e/x": False, "%252e%252e%252fx": False, "x\\..\\..\\y": False,
    "....//....//x": False, "\uff0e\uff0e\uff0fx": False, "a.txt\0.png": False, "C:\\Windows\\win.ini": False,
    "\\\\host\\share": False, "file:///etc/passwd": False, "a.txt::$DATA": False, "~/.ssh/id_rsa": False,
    "card%2525252525252e": False,
    "a.txt\\u0000.png": False, "\\\\\\\\host\\\\share": False, "a%00.png": False,
    "/": False, "..": False, "//srv/data/x": False,
}  # fmt: skip


@pytest.mark.parametrize("path", PLACES)
def test_paths(path: str) -> None:
    """Names are compared, not beginnings; what is encoded deeper than is read is refused."""
    assert PATHS.allows(path) is PLACES[path]


ALONE = {"/", "..", "//srv/data/x"}
"""Signs of a path that are words of a sentence as well."""


@pytest.mark.parametrize("path", [path for path in PLACES if path not in ALONE])
def test_paths_by_themselves(path: str) -> None:
    """Where all of a text is a path, and where it is a word of one, the same is found that an argument would be."""
    assert bool(PATHS.find(path)) is not PLACES[path]
    assert bool(PATHS.find(f"Open {path} now")) is not PLACES[path]


def test_paths_in_a_text() -> None:
    """What begins as a path does is judged, and no word with a stroke."""
    text = "Read ~/.ssh/id_rsa, /etc/passwd and ../../x or a/../../b; /srv/data/a.txt and/or 1/2, n/a, https://x.example/a/b."
    mark = "[a path that is not allowed]"
    right = f"Read {mark}, {mark} and {mark} or {mark}; /srv/data/a.txt and/or 1/2, n/a, https://x.example/a/b."
    assert marked(PATHS, text) == right
    assert marked(PATHS, "C:\\Windows\\win.ini \\\\host\\share ..%2fx") == " ".join([mark] * 3)


PIECES = [
    *REFUSED, *ALLOWED, *PLACES, "https:", "//", "www.", "\\", "\u200b", "\ud800", "(", ")", '"', "\u3000", "\u0430",
]  # fmt: skip


@pytest.mark.parametrize("detector", [LINKS, PATHS])
@settings(max_examples=many(500), deadline=None)
@given(texts(PIECES, "ab.:/\\@%~ ", most=8), st.data())
def test_no_cut_changes_what_is_found(detector: Detector, text: str, data: st.DataObject) -> None:
    """A word is judged when it is whole."""
    hold(detector, text, cut_points(data, text))


@pytest.mark.parametrize(
    "piece", ["http://a", "//a.b", "https:(", "a/", "../", "/a", "%25", "(((", "www.a)", "~/", "a:b:"]
)
def test_no_text_takes_long(piece: str) -> None:
    """Fifty thousand characters that begin everything are judged, in time that grows with them."""
    text = piece * (50_000 // len(piece))
    assert len(LINKS.find(f"http://a{text}{')' * 50_000}")) <= 10_000
    assert len(LINKS.find(text)) <= 10_000
    assert len(PATHS.find(text)) <= 10_000
