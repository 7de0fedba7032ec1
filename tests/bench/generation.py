"""CPU per governed generation, everything recorded, against the bare SDK and against Instructor."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import instructor
import openai
from pydantic import BaseModel, Field

from core import runtime
from core.generation import GenerationRequest
from core.principals import LOCAL_OPERATOR, Principal
from core.settings import Settings
from tests.bench.measure import in_turns, table
from tests.builders import person

INPUT = "Hello, since this morning I am charged twice for one seat. Please look at it, it is urgent. Jo from Acme. " * 3
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


class Customer(BaseModel):
    """Who writes."""

    name: str
    company: str


class Ticket(BaseModel):
    """A support ticket."""

    category: str = Field(description="What it is about", pattern="^[a-z ]+$")
    summary: str = Field(max_length=200)
    priority: int = Field(ge=1, le=4)
    tags: list[str]
    customer: Customer


def run(wire_url: str, folder: Path) -> None:
    """Measure and print."""
    rows = [("one answer, JSON", "CPU ms", "wall ms", "x SDK")]
    for vendor, model in MODELS.items():
        with governed(wire_url, folder / f"{vendor}.db") as generate:
            found = in_turns(
                {
                    f"{vendor}: SDK + pydantic": _sdk(vendor, wire_url, model),
                    f"{vendor}: instructor.create": _instructor(vendor, wire_url, model),
                    f"{vendor}: Proctor, all recorded": lambda generate=generate, model=f"{vendor}/{model}": generate(
                        model
                    ),
                }
            )
        sdk = found[f"{vendor}: SDK + pydantic"].cpu_ms
        rows += [
            (name, f"{cost.cpu_ms:.2f}", f"{cost.wall_ms:.2f}", f"{cost.cpu_ms / sdk:.2f}")
            for name, cost in found.items()
        ]
    table("CPU per generation (SQLite; budget, limits, guardrails and record included)", rows)
    _policies(wire_url, folder / "policies.db")


def _policies(wire_url: str, database: Path) -> None:
    """Print what it costs to find the policy of a schema that comes with a request, and of a registered one."""
    with proctor_for(wire_url, database) as (proctor, principal):
        snapshot = proctor.policies.snapshot

        def found(schema: str | dict[str, Any]) -> object:
            wanted: dict[str, Any] = {"schema": schema, "route": None, "model": None, "stream": False}
            return snapshot(principal.tenant_id or "").resolve(principal, **wanted)

        inline = Ticket.model_json_schema()
        costs = in_turns({"registered": lambda: found("ticket"), "inline": lambda: found(inline)}, calls=1000)
    rows = [("of a schema that is", "CPU ms", "wall ms", "x registered")]
    for name, cost in costs.items():
        ratio = cost.cpu_ms / costs["registered"].cpu_ms
        rows.append((name, f"{cost.cpu_ms:.4f}", f"{cost.wall_ms:.4f}", f"{ratio:.2f}"))
    table("To find the policy that governs a generation (the look at the revision included)", rows)


@contextmanager
def governed(wire_url: str, database: Path) -> Generator[Callable[[str], object]]:
    """Yield a call of the real corridor for a tenant with a budget and a registered schema."""
    with proctor_for(wire_url, database) as (proctor, principal):

        def generate(model: str) -> object:
            request = GenerationRequest(schema="ticket", input=INPUT, model=model)
            return proctor.generator.generate(request, principal)

        yield generate


@contextmanager
def proctor_for(wire_url: str, database: Path | str, **more: Any) -> Generator[tuple[runtime.Runtime, Principal]]:
    """Yield a Proctor and a key of a tenant with a budget and a registered schema, ``ticket``.

    *database* is the file of an SQLite, or the URL of any database; *more* are settings beside the usual.
    """
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
        openai_api_key="bench",
        openai_base_url=f"{wire_url}/v1",
        anthropic_api_key="bench",
        anthropic_base_url=wire_url,
        database_url=database if isinstance(database, str) else f"sqlite:///{database}",
        rate_limit_per_min=10_000_000,
        log_level="WARNING",
        local_model="off",
        demo=False,
        **more,
    )
    proctor = runtime.build(settings)
    proctor.start()
    try:
        tenant = proctor.tenants.create(LOCAL_OPERATOR, "bench")
        proctor.budgets.set(LOCAL_OPERATOR, tenant, 10**15)
        proctor.schemas.add(person("bench"), "ticket", Ticket.model_json_schema())
        yield proctor, proctor.policies.authenticate(proctor.tenants.create_key(LOCAL_OPERATOR, tenant).secret)
    finally:
        proctor.close()


def _sdk(vendor: str, wire_url: str, model: str) -> Callable[[], object]:
    messages: list[Any] = [{"role": "user", "content": INPUT}]
    schema = Ticket.model_json_schema()
    if vendor == "openai":
        client = openai.OpenAI(api_key="bench", base_url=f"{wire_url}/v1", max_retries=0)
        tool: Any = {"type": "function", "function": {"name": "Ticket", "parameters": schema}}

        def ask_openai() -> object:
            answer: Any = client.chat.completions.create(
                model=model,
                messages=messages,
                max_tokens=1024,
                tools=[tool],
                tool_choice={"type": "function", "function": {"name": "Ticket"}},
            )
            return Ticket.model_validate_json(answer.choices[0].message.tool_calls[0].function.arguments)

        return ask_openai
    other = anthropic.Anthropic(api_key="bench", base_url=wire_url, max_retries=0)

    def ask_anthropic() -> object:
        answer: Any = other.messages.create(
            model=model,
            messages=messages,
            max_tokens=1024,
            tools=[{"name": "Ticket", "input_schema": schema}],
            tool_choice={"type": "tool", "name": "Ticket"},
        )
        return Ticket.model_validate(answer.content[0].input)

    return ask_anthropic


def _instructor(vendor: str, wire_url: str, model: str) -> Callable[[], object]:
    if vendor == "openai":
        client = instructor.from_openai(openai.OpenAI(api_key="bench", base_url=f"{wire_url}/v1", max_retries=0))
    else:
        client = instructor.from_anthropic(anthropic.Anthropic(api_key="bench", base_url=wire_url, max_retries=0))
    messages: list[Any] = [{"role": "user", "content": INPUT}]
    return lambda: client.create(
        model=model, messages=messages, max_tokens=1024, response_model=Ticket, max_retries=0, strict=False
    )
