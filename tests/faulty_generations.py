"""Thousands of generations with every fault mixed in, always the same; and a process that asks for its part of them.

``tests/core/test_faulty_generations.py`` starts ``python -m tests.faulty_generations`` twice: the SDKs need most of one
core, so two processes with a database each take half as long.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import NamedTuple, cast

from core.breakers import BreakerState
from core.clock import EPOCH
from core.errors import ProctorError
from core.generation import GenerationRequest, Partial
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter
from core.settings import ROOT
from core.tables import Tenant
from tests.corridor import ANTHROPIC, DOLLAR, OPENAI, Rig, program, rig
from tests.wire.apart import Apart
from tests.wire.server import WireServer

GENERATIONS = int(os.environ.get("GENERATIONS", "1500"))
"""``make soak`` asks for ten thousand."""
SEED = 20_261_123
THREADS = 16
"""In each process."""
TENANTS = 4
"""In each process; the last has a budget that runs out on the way."""
APIS = ("chat", "responses")
"""How each process asks OpenAI; both ask Anthropic as well."""
LARGEST_HOLD = DOLLAR * 16 // 1000
"""More than any one call holds: a budget that is used up has less left than this."""
IN_VAIN_SECONDS = 1.5
"""For calls that only a deadline ends: long enough that each has reached the fake before, on a busy machine too."""

FAULTS = (
    "invalid-once", "invalid-twice", "never-valid", "broken-json-once", "broken-json", "truncated", "refused",
    "content-filter", "throttled-0.01s-once", "throttled-0.01s", "failed-once", "failed", "overloaded-once",
    "unauthorized", "forbidden", "bad-request", "unknown-model", "reset-once", "reset", "html-once", "html",
    "empty-once", "empty", "broken-body-once", "broken-body", "cut-stream-once", "cut-stream", "short-stream-once",
    "error-in-stream-once", "failed+invalid+ok", "invalid+failed+ok", "cached", "reasoning",
)  # fmt: skip
"""What a lone provider may do, each of them ended by the provider itself."""
IN_VAIN = ("hang", "stall", "drip")
WITH_FALLBACK = (
    "failed@{primary}", "unauthorized@{primary}", "reset@{primary}", "cut-stream@{primary}", "refused@{primary}",
    "truncated@{primary}", "never-valid@{primary}", "throttled-30s@{primary}", "hang@{primary}",
    "failed@{primary} invalid-once@{other}", "html@{primary} failed-once@{other}", "failed",
    "unauthorized@{primary} refused@{other}",
)  # fmt: skip
EACH = tuple(itertools.product(("ok", *FAULTS, *IN_VAIN), (OPENAI, ANTHROPIC), (False, True), APIS))
"""What is met in any case: of nobody whose budget runs out, who may be refused while others of his are out."""
SMALL_BUDGET = DOLLAR * 16 * (GENERATIONS - len(EACH)) // 1_000_000
"""About three quarters of what its generations would cost."""
LEAVES = "slow-stream"
"""What a caller leaves in mid-stream."""


class Question(NamedTuple):
    """One generation to be asked for."""

    number: int
    api: str
    tenant: int
    models: tuple[str, ...]
    scenario: str
    stream: bool

    @property
    def text(self) -> str:
        """The prompt, which no other generation has."""
        return f"Make a person, number {self.number}. " + " ".join(f"[[{mark}]]" for mark in self.scenario.split())

    @property
    def timeout_seconds(self) -> float:
        """How long the primary may take."""
        return IN_VAIN_SECONDS if self.scenario.partition("@")[0] in IN_VAIN else 20.0


def questions(count: int) -> Iterator[Question]:
    """Yield *count* questions: each fault on each wire, whole and streamed; then whatever comes.

    Of these two in five meet no fault, one in fifty a call that only hangs, and one in fifty is left.
    """
    lots = random.Random(SEED)  # noqa: S311 it is to be foreseen
    for number, (scenario, model, stream, api) in enumerate(EACH):
        yield Question(number, api, lots.randrange(TENANTS - 1), (model,), scenario, stream)
    for number in range(len(EACH), count):
        api = APIS[number % len(APIS)]
        primary, other = (OPENAI, ANTHROPIC) if lots.random() < 0.6 else (ANTHROPIC, OPENAI)
        tenant, stream, lot = lots.randrange(TENANTS), lots.random() < 0.5, lots.random()
        models = (primary,)
        if lot < 0.4:
            scenario = "ok"
        elif lot < 0.76:
            scenario = lots.choice(FAULTS)
        elif lot < 0.96:
            vendors = {"primary": primary.partition("/")[0], "other": other.partition("/")[0]}
            scenario, models = lots.choice(WITH_FALLBACK).format(**vendors), (primary, other)
        elif lot < 0.98:
            scenario = lots.choice(IN_VAIN)
        else:
            scenario, stream = LEAVES, True
        yield Question(number, api, tenant, models, scenario, stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a process says of its part."""

    unrecorded: list[str]
    """What went wrong outside every generation."""
    verified: bool
    held_nano_usd: int
    estimated_calls: int
    """As Calls counts them."""


def ask(wire_url: str, database_url: str, api: str, count: int) -> Told:
    """Ask for the part of *count* questions that goes by *api*, from several threads."""
    part = [one for one in questions(count) if one.api == api]
    with rig(cast("WireServer", Apart(wire_url)), database_url, openai_api=api) as on:
        tenants = [on.tenant(DOLLAR * 1000) for _ in range(TENANTS - 1)] + [on.tenant(SMALL_BUDGET)]
        for model in (OPENAI, ANTHROPIC):  # else the faults would open the breakers, and little would go out
            on.runtime.overrides.set(LOCAL_OPERATOR, model, BreakerState.CLOSED, "Every call is to go out.")
        for provider in on.runtime.providers:
            assert on.runtime.providers[provider]
        for one in part:
            on.route(*one.models, timeout_seconds=one.timeout_seconds)
        with ThreadPoolExecutor(THREADS) as pool:
            ended = list(pool.map(lambda one: _one(on, tenants, one), part))
        verified = on.runtime.budgets.verify(LOCAL_OPERATOR)
        return Told(
            unrecorded=[one for one in ended if one],
            verified=verified.ok,
            held_nano_usd=verified.held_nano_usd,
            estimated_calls=on.runtime.reports.summary(
                LOCAL_OPERATOR, CallFilter(starts_at=EPOCH, ends_at=on.clock.now())
            ).estimated,
        )


def _one(on: Rig, tenants: Sequence[Tenant], one: Question) -> str:
    """Ask for one generation; return what went wrong outside it, which is nothing."""
    request = GenerationRequest(
        schema="person",
        input=one.text,
        route=on.route(*one.models, timeout_seconds=one.timeout_seconds),
        request_id=f"q-{one.number}",
    )
    principal, corridor = program(tenants[one.tenant]), on.runtime.generator
    try:
        if not one.stream:
            corridor.generate(request, principal)
            return ""
        stream = corridor.stream(request, principal)
        for news in stream:
            if isinstance(news, Partial) and one.scenario == LEAVES:
                stream.close()  # pyright: ignore[reportAttributeAccessIssue] it is a generator
    except ProctorError as error:
        return "" if "generation_id" in error.facts else f"{one.number}: {error.message}"
    except Exception as error:  # noqa: BLE001 the test shows it
        return f"{one.number}: {type(error).__name__} {error}"
    return ""


@contextmanager
def asking(wire: Apart, database_url: str, api: str, count: int) -> Generator[Callable[[], Told]]:
    """Start a process that asks; yield a call that waits for it and returns what it says. It ends with the block."""
    command = [sys.executable, "-m", "tests.faulty_generations", wire.url, database_url, api, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:

        def told() -> Told:
            out, _ = process.communicate()
            assert process.returncode == 0, "what went wrong stands above, on standard error"
            return Told(**json.loads(out))

        try:
            yield told
        finally:
            process.kill()  # nothing, if it has ended


def main() -> None:
    """Ask, and say on standard output what came of it."""
    wire_url, database_url, api, count = sys.argv[1:]
    sys.stdout.write(json.dumps(asdict(ask(wire_url, database_url, api, int(count)))))


if __name__ == "__main__":
    main()
