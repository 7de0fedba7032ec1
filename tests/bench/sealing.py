"""What it costs a call that its prompt and answer are sealed, beside the same call whose texts are kept as they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from core.generation import GenerationRequest
from core.own_keys import new_key, read_keys
from core.principals import Principal
from core.runtime import Runtime
from tests.bench.generation import INPUT, proctor_for
from tests.bench.measure import in_turns, table

_PROMPTS = {"a prompt of 0.3 kB": INPUT, "a prompt of 60 kB": INPUT * 190}


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    rows = [("one answer, JSON; SQLite, texts kept", "CPU ms", "wall ms", "x unsealed")]
    with ExitStack() as stack:
        made: dict[str, Callable[[str], object]] = {}
        for name, keys in {"unsealed": (), "sealed": read_keys(new_key())}.items():
            made[name] = partial(
                _ask, *stack.enter_context(proctor_for(wire_url, folder / f"{name}.db", payload_keys=keys))
            )
        for kind, prompt in _PROMPTS.items():
            costs = in_turns({name: partial(ask, prompt) for name, ask in made.items()})
            least = costs["unsealed"].cpu_ms
            rows += [
                (f"{kind}, {name}", f"{cost.cpu_ms:.2f}", f"{cost.wall_ms:.2f}", f"{cost.cpu_ms / least:.2f}")
                for name, cost in costs.items()
            ]
    table("CPU per generation whose prompt and answer are sealed by a key of the deployment's", rows)


def _ask(proctor: Runtime, principal: Principal, prompt: str) -> object:
    request = GenerationRequest(schema="ticket", input=prompt, model="openai/gpt-4o-mini")
    return proctor.generator.generate(request, principal)
