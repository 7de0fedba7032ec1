"""The SDKs' own tests, as far as they ask at our doors: ``python -m tests.doors.suites PATH…``, with pytest's ``-k``.

Each *PATH* is an SDK's source distribution, unpacked, or its repository at a tag, which has its recorded answers too.
Its tests run twice, in an environment of their own, straight at the fake vendor and through Proctor; nothing of them is
kept. That needs a package index, so it is no part of ``make test``. What is compared of each test: how it ends and why,
what it saw on the wire down to the bytes, and what the vendor was asked. Tests that ask for nothing are counted apart.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.doors.answers import chat, message, response, text_block, whole
from tests.doors.compared import heard_calls, without_patches
from tests.doors.conftest import proctor_before
from tests.wire.scripted import Scripted, ScriptedServer

HERE = Path(__file__).parent
TESTING = (
    *("pytest", "pytest-asyncio", "pytest-xdist", "inline-snapshot", "http-snapshot[httpx]==0.1.9", "dirty-equals"),
    *("respx", "rich", "trio", "time-machine", "hypothesis", "jsonschema", "griffe", "opentelemetry-sdk", "packaging"),
    "websockets<16",
)
SUITES = {
    "openai": (
        *("tests/api_resources/chat", "tests/api_resources/responses", "tests/api_resources/test_responses.py"),
        *("tests/api_resources/test_models.py", "tests/lib/chat", "tests/lib/responses", "tests/lib/streaming"),
        *("tests/test_client.py", "tests/test_streaming.py", "tests/test_response.py", "tests/test_sse_framing.py"),
        *("tests/test_stream_mode.py", "tests/test_status_error_messages.py", "tests/test_retry_after_overflow.py"),
        "tests/lib/test_streaming_deltas.py",
    ),
    "anthropic": (
        *("tests/api_resources/messages", "tests/api_resources/test_messages.py", "tests/api_resources/test_models.py"),
        *("tests/api_resources/beta/test_messages.py", "tests/lib/streaming", "tests/lib/_parse", "tests/lib/tools"),
        *("tests/test_client.py", "tests/test_streaming.py", "tests/test_response.py"),
    ),
}
"""Which of a suite's tests ask for what the doors serve; what an edition lacks of them is left out."""
NAMED = (
    ("asked", r"\w+ /models", "Proctor tells its own models and routes, in that dialect"),
    ("asked", r"\w+ /messages/batches", "batches are not served, and it says so"),
    ("asked", r"\w+ /(responses|chat/completions)/.", "what a vendor stores is its tenant's, and this one has none"),
    ("asked", r"(GET|DELETE) /(responses|chat/completions)$", "stored completions are not listed, and it says so"),
    (
        "told",
        r"'messages' is a list of at least one message",
        "no message at all is refused, as the vendor itself does",
    ),
    ("asked", r"\w+ /messages/count_tokens", "tokens are counted here, about, and no vendor is asked"),
    ("told", r"Container with id", "what a vendor stores is its tenant's, and this one has none"),
    ("told", r"'fallbacks' is not taken", "who is asked next is decided by the route, and it says so"),
    ("why", r"assert None == 'wrkspc_", "the vendor's account is told to nobody"),
    ("told", r"answered with an empty body", "an empty body is no answer, and is told as an error"),
    ("told", r"ended its stream in the middle", "a stream without its end is told as an error"),
    ("told", r"with no error that can be read", "an error without a word is told in the dialect's shape"),
    ("told", r"'model' is a text", "it is the model that says who is asked: a request without one is refused"),
    ("told", r"is a whole number of at least 1", "a limit of no token is refused, as the vendor itself does"),
    ("told", r"'background' is not taken", "calls in the background are not served, and it says so"),
)
"""By what a test asks, is told, or how it fails, why that is answered otherwise than by the fake vendor."""
_USAGE = re.compile(r'data: [^\n]*"choices":\[\],"usage":\{[^\n]*\n\n')


@dataclass(frozen=True)
class Told:
    """What became of one test."""

    outcome: str
    why: str
    seen: Sequence[Sequence[Any]]
    """Of each request its method and path, and the answer's status, media type and text."""
    calls: Sequence[Any]
    """What the vendor was asked."""

    def reason(self, straight: Told) -> str | None:
        """Return why it may differ from what it was *straight*."""
        stripped = [[_USAGE.sub("", one) if isinstance(one, str) else one for one in seen] for seen in straight.seen]
        if self.seen == stripped != straight.seen:
            return "usage that a stream's request did not ask for is stripped, though a recording has it"
        if _ended(self.seen) == _ended(straight.seen) and self.seen != straight.seen:
            return "the last event of a stream that its mock left open is closed, so that no SDK loses it"
        asked = [f"{one[0]} {one[1]}" for one in self.seen]
        texts = {"asked": asked, "told": [str(one[-1]) for one in self.seen], "why": [self.why]}
        return next((why for of, form, why in NAMED if any(re.search(form, one) for one in texts[of])), None)

    def differing(self, other: Told) -> list[str]:
        """Return what is not the same in *other*, which ran through Proctor."""
        through = [without_patches(call, by) for call, by in zip(other.calls, self.calls, strict=False)]
        through += other.calls[len(through) :]
        pairs = {
            "outcome": (self.outcome, other.outcome),
            "why": (_plain(self.why), _plain(other.why)),
            "seen": (self.seen, other.seen),
            "calls": (self.calls, through),
        }
        return [name for name, (straight, proctor) in pairs.items() if straight != proctor]


class Vendor(ScriptedServer):
    """A vendor that says what a suite's mock would have said, and else some answer of the dialect.

    So it does where a mock says nothing at all with status 200: no vendor does, and Proctor tells it as an error, after
    which an SDK asks as often again as a test lets it, which may be without an end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._playing: Mapping[str, Any] = {}
        self.answers = self.said

    def calls(self) -> dict[str, list[Any]]:
        """Return what was asked in each test."""
        told: dict[str, list[Any]] = {}
        running = ""
        for (path, _), body, call in zip(self.heard, self.bodies, heard_calls(self), strict=True):
            if path == "/_play":
                running = json.loads(body)["test"]
            else:
                told.setdefault(running, []).append(call)
        return told

    def said(self, body: dict[str, Any]) -> Scripted:
        """Return the next answer."""
        path = self.heard[-1][0].partition("?")[0]
        if path == "/_play":
            self._playing = body
            return Scripted(b"{}")
        if "status" in self._playing and (self._playing["body"] or self._playing["status"] != 200):
            said = base64.b64decode(self._playing["body"])
            is_stream = body.get("stream") is True and not said.lstrip().startswith(b"{")
            media = "text/event-stream" if is_stream else "application/json"  # a mock may tell none
            return Scripted(said, media, self._playing["status"], self._playing["headers"])
        match self._playing.get("method"), path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                return chat("Hi.")(body)
            case "POST", "/responses":
                said = response("Hi.")(body)
                return replace(said, body=said.body.replace(b'"moderation":{"x":1},', b""))
            case "POST", "/messages":
                return message(text_block("Hi."))(body)
            case "POST", "/messages/count_tokens":
                return whole({"input_tokens": 21})(body)
            case _:
                return whole({"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False})(body)


def _ended(seen: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return what was *seen*, each stream closed alike."""
    return [[one.rstrip("\n") if isinstance(one, str) else one for one in each] for each in seen]


def _plain(why: str) -> str:
    """Return *why* without what differs each time: addresses of objects and of servers."""
    return re.sub(r"0x[0-9a-f]+|127\.0\.0\.1:\d+|in \d+\.\d+s", "…", why)


def _run(path: Path, vendor: Vendor, target: str, key: str, more: Sequence[str]) -> dict[str, Told]:
    vendor.plays()
    sdk = next(name for name in SUITES if (path / "src" / name).is_dir())
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told.json")
        beside = Path(sys.executable).with_name("uv")
        made = [str(beside) if beside.exists() else "uv", "run", "-q", "--isolated", "--no-project"]
        added = [word for one in (f"{path}[aiohttp]", *TESTING) for word in ("--with", one)]
        chosen = [one for one in SUITES[sdk] if (path / one).exists()]
        quiet = ("-q", "-n", "0", "-p", "wired", "-p", "no:cacheprovider", "--no-header", "--tb=no", "--no-summary")
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("OPENAI_", "ANTHROPIC_", "PYTEST_"))}
        environment |= {
            "SUITE_TARGET": target,
            "SUITE_VENDOR": vendor.anthropic_url,
            "SUITE_KEY": key,
            "SUITE_TOLD": str(told),
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [*made, "--python", sys.executable, *added, "python", "-m", "pytest", *chosen, *quiet, *more]
        ended = subprocess.run(command, cwd=path, env=environment, check=False, stdout=sys.stderr).returncode
        if ended not in {0, 1}:  # tests may fail, on both ways alike; those that are not run prove nothing
            sys.exit(f"{path.name}: not all of its tests could be read (pytest ended with {ended}).")
        found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    calls = vendor.calls()
    return {
        name: Told(one["outcome"], one["why"], one["seen"], calls.get(name, [])) for name, one in found.items() if name
    }


def compared(path: Path, more: Sequence[str]) -> bool:
    """Run the suite at *path* twice and print what came of it; return whether nothing differs without a reason."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Vendor() as vendor,
        proctor_before(vendor, Path(folder)) as proctor,
    ):
        vendor.answers = vendor.said
        straight = _run(path, vendor, vendor.anthropic_url, "sk-any", more)
        through = _run(path, vendor, proctor.anthropic_url, proctor.key, more)
    asking = {name: one for name, one in straight.items() if one.seen}
    same, named, bad = 0, Counter[str](), list[str]()
    for name, one in straight.items():
        other = through.get(name, Told("missing", "", (), ()))
        differing = one.differing(other)
        why = other.reason(one)
        if not differing:
            same += name in asking
        elif why is not None:
            named[why] += 1
        else:
            bad.append(f"\n{name}: {', '.join(differing)}\n  straight {one!r:.2500}\n  through  {other!r:.2500}")
    outcomes = Counter(one.outcome for one in asking.values())
    sys.stdout.write("".join(f"{one}\n" for one in bad))
    sys.stdout.write(
        f"\n{path.name}: {len(straight)} tests, {len(asking)} ask at the doors ({dict(outcomes)}); of these\n"
    )
    sys.stdout.write(f"  {same} the same\n")
    sys.stdout.write("".join(f"  {count} differ: {why}\n" for why, count in named.most_common()))
    sys.stdout.write(f"  {len(bad)} defects\n")
    return not bad


def main() -> None:
    """Compare each suite that is named; end with a failure if something differs without a reason."""
    paths = [Path(one).resolve() for one in sys.argv[1:] if Path(one, "pyproject.toml").exists()]
    if not paths:
        sys.exit("Say where an SDK's source distribution lies, unpacked.")
    more = [one for one in sys.argv[1:] if not Path(one, "pyproject.toml").exists()]
    found = [compared(path, more) for path in paths]
    sys.exit(not all(found))


if __name__ == "__main__":
    main()
