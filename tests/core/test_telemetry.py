"""What logs and metrics tell: one JSON object per line, gen_ai names, and never who or what."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.flags import Flag
from core.own_keys import OwnKeys
from core.principals import LOCAL_OPERATOR
from core.settings import ROOT
from core.telemetry import Metrics, configure_logging, log
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.wire.server import WireServer

NAMES = {
    "proctor_generations": ("counter", {"tenant", "route", "outcome"}),
    "proctor_generation_duration_seconds": ("histogram", {"tenant", "route"}),
    "proctor_generation_queue_seconds": ("histogram", {"tenant", "route"}),
    "proctor_generations_in_flight": ("gauge", set[str]()),
    "proctor_requests_waiting": ("gauge", {"kind"}),
    "proctor_gate_refusals": ("counter", {"reason"}),
    "proctor_client_reasks": ("counter", {"tenant", "route"}),
    "proctor_repeats": ("counter", {"result"}),
    "proctor_requests_shed": ("counter", {"tenant"}),
    "proctor_workers_busy": ("gauge", {"reads"}),
    "proctor_workers_waiting": ("gauge", {"reads"}),
    "proctor_worker_seconds": ("histogram", {"reads", "found"}),
    "proctor_workers_lost": ("counter", {"reads", "reason"}),
    "proctor_wrong_keys": ("counter", set[str]()),
    "proctor_backlog_records": ("gauge", set[str]()),
    "proctor_chore_runs": ("counter", {"chore", "result"}),
    "proctor_chore_duration_seconds": ("histogram", {"chore"}),
    "proctor_chore_last_success_timestamp_seconds": ("gauge", {"chore"}),
    "proctor_chore_late_seconds": ("gauge", {"chore"}),
    "gen_ai_client_operation_duration_seconds": (
        "histogram",
        {"gen_ai_provider_name", "gen_ai_request_model", "error_type"},
    ),
    "gen_ai_server_time_to_first_token_seconds": ("histogram", {"gen_ai_provider_name", "gen_ai_request_model"}),
    "gen_ai_client_token_usage": (
        "counter",
        {"tenant", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"},
    ),
    "proctor_cost_nano_usd": ("counter", {"tenant", "gen_ai_provider_name", "gen_ai_request_model"}),
    "proctor_service_tier_cost_nano_usd": ("counter", {"gen_ai_provider_name", "service_tier"}),
    "proctor_unpriced_attempts": ("counter", {"gen_ai_provider_name", "gen_ai_request_model"}),
    "proctor_failed_open": ("counter", {"room"}),
    "proctor_shared_up": ("gauge", set[str]()),
    "proctor_store_bytes": ("gauge", set[str]()),
    "proctor_store_free_bytes": ("gauge", set[str]()),
    "proctor_analytics_waiting_rows": ("gauge", set[str]()),
    "proctor_analytics_shipped_batch": ("gauge", set[str]()),
    "proctor_analytics_behind_seconds": ("gauge", set[str]()),
    "proctor_verifications": ("counter", {"result"}),
    "proctor_guardrail_findings": ("counter", {"guardrail", "stage", "action"}),
    "proctor_guardrail_duration_seconds": ("histogram", set[str]()),
    "proctor_budget_thresholds": ("counter", {"tenant", "scope", "percent"}),
    "proctor_budget_waits": ("counter", {"tenant", "result"}),
}
"""Type and labels of each family."""


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def proctor(wire: WireServer, sqlite_url: str) -> Iterator[Rig]:
    """A Proctor of this test alone."""
    with rig(wire, sqlite_url) as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    configure_logging("ERROR")


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was logged."""
    return [json.loads(line) for line in captured.readouterr().err.splitlines()]


# ── Logs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is in it, an event is one line of JSON on standard error, with its level and its UTC time."""
    configure_logging("INFO")
    log().info("something_happened", text='two\nlines and "quotes"', number=3, path=Path("/a"))

    [line] = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("at"))
    assert line == {
        "event": "something_happened",
        "level": "info",
        "text": 'two\nlines and "quotes"',
        "number": 3,
        "path": "/a",
    }


@pytest.mark.parametrize(("level", "told"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
def test_less_severe_lines_are_not_written(level: str, told: int, capsys: pytest.CaptureFixture[str]) -> None:
    """LOG_LEVEL names the least severe line."""
    configure_logging(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log(), name)("said")

    assert len(lines(capsys)) == told


def test_the_libraries_say_nothing() -> None:
    """The SDKs and Instructor log bodies and values: whatever the level, they are not heard."""
    configure_logging("DEBUG")
    for name in ("openai", "anthropic", "httpx2", "httpcore2", "instructor", "instructor.v2.retry"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_a_generation_is_one_line(capsys: pytest.CaptureFixture[str], proctor: Rig) -> None:
    """A generation logs what, for whom, how it ended and what it cost; its user by a hash only."""
    configure_logging("INFO")
    tenant = proctor.tenant()
    heard = proctor.ask(tenant, "invalid-once", route=proctor.route(OPENAI), request_id="r-1", user="ada@example.com")

    [line] = [line for line in lines(capsys) if line["event"] == "generation"]
    told = heard.generation
    line.pop("at")
    assert line.pop("duration_ms") == pytest.approx(told.duration_ms, abs=0.001)
    assert line == {
        "event": "generation",
        "level": "info",
        "generation_id": told.id,
        "request_id": "r-1",
        "tenant": tenant.name,
        "route": told.route,
        "schema": "person",
        "schema_version": 1,
        "model": OPENAI,
        "outcome": "valid_after_reask",
        "error_code": None,
        "attempts": 2,
        "cost_nano_usd": told.cost_nano_usd,
        "input_tokens": told.usage.input_tokens,
        "output_tokens": told.usage.output_tokens,
        "streamed": False,
        "user": OwnKeys().user_hash(tenant.id, "ada@example.com"),
        "failed": [],
    }


@pytest.mark.parametrize("scenario", ["refused", "unauthorized", "never-valid", "hang"])
def test_a_failure_is_one_line_too(scenario: str, capsys: pytest.CaptureFixture[str], proctor: Rig) -> None:
    """A generation without an object is logged as well, with its code, and nothing else is."""
    configure_logging("DEBUG")
    route = proctor.route(OPENAI, timeout_seconds=0.2)
    heard = proctor.ask(proctor.tenant(), scenario, route=route)

    [line] = lines(capsys)
    assert (line["outcome"], line["error_code"]) == (heard.generation.outcome, "exhausted")


def test_debug_output_of_the_whole_process_holds_no_text(wire: WireServer, sqlite_url: str) -> None:
    """A process whose root logger writes everything still writes neither prompt nor answer."""
    code = """
import logging, sys
from tests.corridor import rig, question, program
from tests.wire.server import WireServer
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
with WireServer() as wire, rig(wire, sys.argv[1], log_level="DEBUG") as proctor:
    tenant = proctor.tenant()
    for scenario in ("ok", "never-valid", "unauthorized", "reset"):
        for stream in (False, True):
            text = f"Zanzibar [[{scenario}]]"
            proctor.ask(tenant, stream=stream, messages=[{"role": "user", "content": text}])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, sqlite_url], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr.count('"event":"generation"') == 8
    for word in ("Zanzibar", "some name", "12345", "sk-test-openai"):
        assert word not in done.stderr


# ── Metrics ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_names_are_a_promise() -> None:
    """Dashboards depend on names, types and labels: a change shows here first."""
    families = {family.name: family for family in Metrics().registry.collect()}

    assert {name: family.type for name, family in families.items()} == {name: kind for name, (kind, _) in NAMES.items()}


def test_what_happened_is_counted(proctor: Rig) -> None:
    """Generations, attempts, tokens and cost add up to what the callers were told."""
    tenant = proctor.tenant()
    route = proctor.route(OPENAI, ANTHROPIC)
    scenarios = ("ok", "invalid-once", "failed@openai", "refused")
    heard = [proctor.ask(tenant, scenario, route=route, stream=scenario == "ok") for scenario in scenarios]
    attempts = [attempt for one in heard for attempt in one.generation.attempts]

    def value(name: str, **labels: str) -> float | None:
        return proctor.runtime.metrics.registry.get_sample_value(name, labels)

    ours = {"tenant": tenant.name, "route": route}
    for outcome in ("valid_first_try", "valid_after_reask", "valid_after_fallback", "refused"):
        assert value("proctor_generations_total", **ours, outcome=outcome) == 1
    assert value("proctor_generation_duration_seconds_count", **ours) == len(heard)
    assert value("proctor_generations_in_flight") == 0
    assert [value("proctor_workers_busy", reads=what) for what in ("answers", "documents")] == [0, 0]
    for model in (OPENAI, ANTHROPIC):
        mine = [attempt for attempt in attempts if f"{attempt.provider}/{attempt.model}" == model]
        who = dict(zip(("gen_ai_provider_name", "gen_ai_request_model"), model.split("/"), strict=True))
        errors = {attempt.error_code or "" for attempt in mine}
        counted = sum(
            value("gen_ai_client_operation_duration_seconds_count", **who, error_type=error) or 0 for error in errors
        )
        assert counted == len(mine)
        usage = {"tenant": tenant.name, **who}
        input_tokens = sum(attempt.usage.input_tokens for attempt in mine if attempt.usage)
        output_tokens = sum(attempt.usage.output_tokens for attempt in mine if attempt.usage)
        assert value("gen_ai_client_token_usage_total", **usage, gen_ai_token_type="input") == input_tokens
        assert value("gen_ai_client_token_usage_total", **usage, gen_ai_token_type="output") == output_tokens
        cost = sum(attempt.cost.nano_usd for attempt in mine if attempt.cost)
        assert value("proctor_cost_nano_usd_total", **usage) == cost
        whose = {"gen_ai_provider_name": model.split("/")[0]}
        assert (value("proctor_service_tier_cost_nano_usd_total", **whose, service_tier="standard") or 0) >= cost
    openai = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-4o-mini"}
    assert value("gen_ai_server_time_to_first_token_seconds_count", **openai) == 1


def test_labels_are_those_promised(proctor: Rig) -> None:
    """No sample has a label beyond its family's: whatever a caller sends, the number of series is bounded."""
    proctor.ask(proctor.tenant(), "invalid-once", user="ada", request_id="r-9", metadata={"team": "blue"})

    for family in proctor.runtime.metrics.registry.collect():
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == NAMES[family.name][1]
    text = proctor.runtime.metrics.text().decode()
    assert "proctor_generations_total{" in text
    assert not re.search("ada|r-9|blue", text)


def test_an_unpriced_attempt_is_counted_and_costs_nothing_known(proctor: Rig) -> None:
    """A model without a price shows as unpriced, not as a cost of zero."""
    heard = proctor.ask(proctor.tenant(None), route=proctor.route("openai/some-new-model"))

    who = {"gen_ai_provider_name": "openai", "gen_ai_request_model": "some-new-model"}
    metrics = proctor.runtime.metrics.registry
    assert heard.generation.cost_nano_usd is None
    assert metrics.get_sample_value("proctor_unpriced_attempts_total", who) == 1
    assert "some-new-model" not in [
        sample.labels.get("gen_ai_request_model")
        for family in metrics.collect()
        if family.name == "proctor_cost_nano_usd"
        for sample in family.samples
    ]


def test_no_caller_makes_the_series_grow_without_end(proctor: Rig) -> None:
    """Past two hundred models the rest share one name, and what a refused caller called a route is no label."""
    metrics = Metrics()
    named = {metrics.who("openai", f"model-{number}") for number in range(1000)}
    assert len(named) == 201
    assert metrics.who("openai", "model-3") == ("openai", "model-3")
    assert metrics.who("openai", "model-999") == ("openai", "other")
    assert {metrics.tier(f"tier-{number}") for number in range(1000)} == {"other"}
    assert [metrics.tier(told) for told in ("", "priority", "other", "standard")] == [
        *("standard", "priority", "other", "other")
    ]
    assert metrics.who("openai", "model-999", is_routed=True) == ("openai", "model-999"), "what a route names keeps it"

    tenant = proctor.tenant()
    proctor.runtime.flags.set(LOCAL_OPERATOR, Flag.GENERATION, tenant, False)
    proctor.ask(tenant, route="anything at all")
    assert "anything at all" not in proctor.runtime.metrics.text().decode()


def test_two_in_one_process_count_apart() -> None:
    """A second Proctor beside the first has its own metrics."""
    one, other = Metrics(), Metrics()
    one.failed_open.labels("limit").inc()

    assert other.registry.get_sample_value("proctor_failed_open_total", {"room": "limit"}) is None


_LIBRARIES = """
import logging, threading
from core.telemetry import configure_logging, speak_for_libraries
configure_logging("INFO")
speak_for_libraries()
try:
    raise ValueError("secret-canary")
except ValueError as error:
    logging.getLogger("sqlalchemy.pool").exception("Exception during reset of %s", error)
    logging.getLogger("asyncio").error(f"never retrieved: {error}", exc_info=error)
for _ in range(500):
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
logging.getLogger("uvicorn.error").error("ASGI callable returned without completing handshake.")
logging.getLogger("uvicorn.error").info("quiet")
thread = threading.Thread(target=lambda: 1 / 0, name="warm-up")
thread.start()
thread.join()
"""


def test_what_libraries_log_is_a_line_of_ours() -> None:
    """In a process that serves no library prints a traceback: each warning is one JSON object without its values.

    Of what comes again and again, as it does where somebody sends what is no HTTP, one in ten seconds is told.

    What uvicorn takes for a fault and is none, a websocket that was refused with an answer, is not told.
    """
    ended = subprocess.run([sys.executable, "-c", _LIBRARIES], cwd=ROOT, capture_output=True, text=True, check=True)

    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    told = [(one["event"], one.get("logger"), one["error"]) for one in lines]
    assert told == [
        ("library_warning", "sqlalchemy.pool", "ValueError"),
        ("library_warning", "asyncio", "ValueError"),
        ("library_warning", "uvicorn.error", None),
        ("thread_failed", None, "ZeroDivisionError"),
    ]
    assert lines[2]["said"] == "Invalid HTTP request received."
    assert "secret-canary" not in ended.stderr + ended.stdout
