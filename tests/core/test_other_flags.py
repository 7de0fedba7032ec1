"""Another OpenFeature provider decides flags: what it says holds, and where it fails the default of each flag does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError, InvalidContextError, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from core.cli import proctor as command
from core.clock import SystemClock
from core.dialects import DIALECTS, DialectName
from core.errors import FeatureDisabled, Invalid, Misconfigured
from core.flags import Evaluation, Flag, OtherProvider, other_provider
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.tables import Outcome
from core.telemetry import Metrics
from tests.corridor import ANTHROPIC, OPENAI, Rig, program, rig
from tests.wire.server import WireServer

NAME = "In-Memory Provider"
SAYS = f"what {NAME} says"
HERE = f"{__name__}:made"
"""What the setting names: this file's factory."""
Flags = dict[str, Any]


class Told(InMemoryProvider):
    """A provider whose flags a test turns while it is asked."""

    def turn(self, **flags: bool | Callable[..., Any]) -> None:
        """Set flags by their names, with ``__`` for dots; a function decides by the context."""
        for name, value in flags.items():
            self.set(name.replace("__", "."), value)

    def set(self, name: str, value: Any) -> None:
        """Set one flag."""
        self._flags[name] = flag(value)


def flag(value: Any) -> InMemoryFlag[Any]:
    """Return a flag that is *value* for everybody, or what a function says of a context."""
    if not callable(value):
        return InMemoryFlag("it", {"it": value})

    def decided(_: Any, context: EvaluationContext) -> FlagResolutionDetails[bool]:
        found: Any = value(context)
        return found if isinstance(found, FlagResolutionDetails) else FlagResolutionDetails(found, reason=Reason.SPLIT)

    return InMemoryFlag("it", {"it": True}, context_evaluator=decided)


_provider = Told({})


def made() -> Told:
    """Make the provider, as a setting names it."""
    return _provider


def other(provider: Any, seconds: float = 5.0) -> tuple[OtherProvider, Callable[[], float]]:
    """Return a provider as Proctor asks it, and how often it was done without."""
    metrics = Metrics()
    asked = OtherProvider(provider, SystemClock(), metrics, seconds)
    return asked, lambda: metrics.registry.get_sample_value("proctor_failed_open_total", {"room": "flags"}) or 0.0


def _raising(error: Exception) -> Callable[[EvaluationContext], bool]:
    def decided(_: EvaluationContext) -> bool:
        raise error

    return decided


SAID: dict[str, tuple[Flags, Evaluation, float]] = {
    # its flags; what streaming is then; how often it was done without
    "on for all": ({"streaming.enabled": True}, Evaluation(True, "STATIC", SAYS), 0),
    "off for all": ({"streaming.enabled": False}, Evaluation(False, "STATIC", SAYS), 0),
    "off for this tenant": (
        {"streaming.enabled": lambda context: context.attributes["tenant"] != "t1"},
        Evaluation(False, "SPLIT", SAYS),
        0,
    ),
    "by the tenant's name": (
        {"streaming.enabled": lambda context: context.attributes["tenant_name"] != "Acme"},
        Evaluation(False, "SPLIT", SAYS),
        0,
    ),
    "by the unit": (
        {"streaming.enabled": lambda context: context.targeting_key != "ann"},
        Evaluation(False, "SPLIT", SAYS),
        0,
    ),
    "without a reason": (
        {"streaming.enabled": lambda _: FlagResolutionDetails(False)},
        Evaluation(False, "UNKNOWN", SAYS),
        0,
    ),
    "not known there": ({}, Evaluation(True, "DEFAULT", "the default"), 0),
    "no boolean": (
        {"streaming.enabled": "off"},
        Evaluation(True, "ERROR", f"the default, as {NAME} failed (type mismatch)"),
        1,
    ),
    "a number": (
        {"streaming.enabled": 0},
        Evaluation(True, "ERROR", f"the default, as {NAME} failed (type mismatch)"),
        1,
    ),
    "an error of its own": (
        {"streaming.enabled": _raising(InvalidContextError("secret"))},
        Evaluation(True, "ERROR", f"the default, as {NAME} failed (invalid context)"),
        1,
    ),
    "any error": (
        {"streaming.enabled": _raising(ValueError("secret"))},
        Evaluation(True, "ERROR", f"the default, as {NAME} failed (general)"),
        1,
    ),
    "an error that it returns": (
        {"streaming.enabled": lambda _: FlagResolutionDetails(False, error_code=ErrorCode.PARSE_ERROR)},
        Evaluation(True, "ERROR", f"the default, as {NAME} failed (parse error)"),
        1,
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_it_says_holds_or_the_default_does(case: str) -> None:
    """Value and reason are its own; what it fails to say is the flag's default with the reason ERROR, and counted."""
    flags, expected, failures = SAID[case]
    asked, failed = other(Told({name: flag(value) for name, value in flags.items()}))

    found = asked.ask([Flag.STREAMING, Flag.PAYLOADS], "t1", "Acme", "ann")

    assert found == {Flag.STREAMING: expected, Flag.PAYLOADS: Evaluation(True, "DEFAULT", "the default")}
    assert failed() == failures
    assert asked.ask([], "t1", "Acme", "ann") == {}


def test_nobody_waits_longer_than_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was said in time holds, the rest is as by default; where too many wait nobody asks, until they are heard."""
    monkeypatch.setattr("core.flags._other.MOST_ASKING", 2)
    goes_on = threading.Event()

    def slow(_: EvaluationContext) -> bool:
        goes_on.wait(60)
        return False

    provider = Told({"streaming.enabled": flag(False), "payloads.kept": flag(slow)})
    asked, failed = other(provider, 0.05)
    late = Evaluation(True, "ERROR", f"the default, as {NAME} did not answer in time")
    busy = Evaluation(True, "ERROR", f"the default, as {NAME} is not answering")

    first = asked.ask([Flag.STREAMING, Flag.PAYLOADS], "t1", "Acme", "")
    assert first == {Flag.STREAMING: Evaluation(False, "STATIC", SAYS), Flag.PAYLOADS: late}
    assert asked.ask([Flag.PAYLOADS], "t1", "Acme", "") == {Flag.PAYLOADS: late}
    assert asked.ask([Flag.STREAMING], "t1", "Acme", "") == {Flag.STREAMING: busy}
    assert failed() == 3

    goes_on.set()
    heard = threading.Event()
    while asked.ask([Flag.STREAMING], "t1", "Acme", "")[Flag.STREAMING] == busy:
        heard.wait(0.01)
    assert asked.ask([Flag.STREAMING], "t1", "Acme", "")[Flag.STREAMING].value is False


class _NeverBegins(Told):
    def initialize(self, evaluation_context: EvaluationContext) -> None:
        raise ProviderFatalError("no licence: secret")


class _BeginsLate(Told):
    def __init__(self) -> None:
        super().__init__({"streaming.enabled": flag(False)})
        self.begins = threading.Event()

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        self.begins.wait(60)


def test_one_that_cannot_begin_is_done_without() -> None:
    """Every flag is as by default, and the state says so."""
    asked, failed = other(_NeverBegins({"streaming.enabled": flag(False)}))
    found = asked.ask([Flag.STREAMING], "t1", "Acme", "")[Flag.STREAMING]
    assert (found.value, found.reason, failed()) == (True, "ERROR", 1)
    assert found.rule == f"the default, as {NAME} failed (provider fatal)"
    assert asked.state() == "it is fatal"


def test_the_first_calls_wait_for_one_that_begins() -> None:
    """A start lets nothing through that is off, though there is no answer within the moment."""
    provider = _BeginsLate()
    asked, failed = other(provider, 0.001)
    threading.Timer(0.05, provider.begins.set).start()
    assert asked.ask([Flag.STREAMING], "t1", "Acme", "")[Flag.STREAMING].value is False
    assert failed() == 0


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("nowhere.at_all:made", "cannot be imported"),
        ("tests.core.test_other_flags:gone", "failed with AttributeError"),
        ("tests.core.test_other_flags:flag", "failed with TypeError"),
        ("builtins:dict", "failed with AttributeError"),
    ],
)
def test_a_setting_that_names_none_is_told(named: str, why: str) -> None:
    """One sentence says what it names and what it has to be."""
    with pytest.raises(Misconfigured, match=f"^FLAG_PROVIDER is not usable: {named} {why}. It names what makes"):
        other_provider(Settings(flag_provider=named), SystemClock(), Metrics())


# ── In a whole Proctor ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def here(wire: WireServer, database_url: str) -> Iterator[Rig]:
    """A Proctor whose flags this file's provider decides."""
    _provider._flags.clear()
    with rig(wire, database_url, flag_provider=HERE, flag_provider_ms=5000, model_fallback=ANTHROPIC) as built:
        yield built


def test_it_decides_every_kind_of_flag(here: Rig) -> None:
    """Of features, schemas, routes and models, for one generation; each refusal says who said so, and none is paid."""
    tenant, route = here.tenant(), here.route(OPENAI, ANTHROPIC)
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("generation.enabled", {}, "Generation is switched off"),
        ("streaming.enabled", {"stream": True}, "Streaming is switched off"),
        ("schema:person", {}, "Schema person is switched off"),
        (f"route:{route}", {"route": route}, f"Route {route} is switched off"),
        (f"model:{OPENAI}", {"model": OPENAI}, f"Model {OPENAI} is switched off"),
    ]
    for name, asked, said in cases:
        assert here.ask(tenant, **asked).generation.outcome is Outcome.VALID_FIRST_TRY
        _provider.set(name, False)
        heard = here.ask(tenant, **asked)
        assert heard.generation.outcome is Outcome.BLOCKED_FLAG, name
        assert heard.error is not None
        assert heard.error.message.startswith(said)
        assert f"by {SAYS} of the flag {name}." in heard.error.message
        assert heard.generation.attempts == ()
        del _provider._flags[name]
    _provider.set(f"model:{OPENAI}", False)
    heard = here.ask(tenant, route=route)
    assert [one.provider for one in heard.generation.attempts] == ["anthropic"]
    assert any(SAYS in step["reason"] for step in heard.generation.trace if step["verdict"] == "not asked")


def test_our_rules_are_neither_heard_nor_changed(here: Rig, wire: WireServer, database_url: str) -> None:
    """What stands in the database says nothing, and nobody adds to it, at whatever door: one sentence says why."""
    tenant = here.tenant()
    with rig(wire, database_url) as with_rules:
        with_rules.runtime.flags.set(LOCAL_OPERATOR, Flag.GENERATION, tenant, False)

    assert here.ask(tenant).generation.outcome is Outcome.VALID_FIRST_TRY
    why = rf"^Flags are decided by {NAME} \(FLAG_PROVIDER\): change them there\.$"
    with pytest.raises(Invalid, match=why):
        here.runtime.flags.set(LOCAL_OPERATOR, Flag.GENERATION, tenant, True)
    with pytest.raises(Invalid, match=why):
        here.runtime.flags.clear(LOCAL_OPERATOR, Flag.GENERATION, tenant)
    assert {one.reason for one in here.runtime.flags.held(LOCAL_OPERATOR, tenant).values()} == {"DEFAULT"}
    assert here.runtime.flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, tenant.id).value is True


def test_what_it_fails_to_say_stands_on_the_generation(here: Rig) -> None:
    """The call goes on by the default; policy and trace keep ERROR and why."""
    tenant = here.tenant()
    _provider.set("fallback.enabled", _raising(GeneralError("secret")))
    heard = here.ask(tenant)

    assert heard.generation.outcome is Outcome.VALID_FIRST_TRY
    kept = here.written(heard.generation.id).policy
    assert kept is not None
    assert kept["flag_reasons"] == {"fallback.enabled": "ERROR"}
    told = [step["reason"] for step in heard.generation.trace if step["verdict"] == "flags"]
    assert told == [f"fallback.enabled is on by the default, as {NAME} failed (general) (ERROR)."]


def test_it_is_asked_again_before_a_further_call(here: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is off for everybody by then is asked no more; what it says of some stays as it was drawn."""
    tenant, route = here.tenant(), here.route(OPENAI, ANTHROPIC, max_retries=1)
    waits, pending = here.clock.wait, list[Callable[[], Any]]()

    def meanwhile(woken: threading.Event, seconds: float) -> bool:
        while pending:
            pending.pop()()
        return waits(woken, seconds)

    monkeypatch.setattr(here.clock, "wait", meanwhile)
    for value, outcome in ((lambda _: False, Outcome.VALID_AFTER_FALLBACK), (False, Outcome.BLOCKED_FLAG)):
        pending.append(lambda value=value: _provider.set(f"route:{route}", value))
        heard = here.ask(tenant, "failed@openai", route=route)
        assert heard.generation.outcome is outcome
        del _provider._flags[f"route:{route}"]


def test_doctor_says_who_decides(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our rules, or another provider and how it is; one that cannot be made fails in the sentence of the start."""

    def told(named: str) -> str:
        monkeypatch.setenv("FLAG_PROVIDER", named)
        monkeypatch.setenv("DATABASE_URL", sqlite_url)
        lines = CliRunner().invoke(command, ["doctor"]).output.splitlines()
        return next(line for line in lines if line.startswith("flags"))

    _provider._flags.clear()
    assert "ok" in told("")
    assert f"{NAME} decides flags, and answers." in told(HERE)
    _provider.set("streaming.enabled", _raising(ValueError("secret")))
    assert "warning" in told(HERE)
    assert "streaming.enabled is on by the default" in told(HERE)
    assert "FLAG_PROVIDER is not usable: nowhere:made cannot be imported" in told("nowhere:made")


def test_tools_are_asked_for_as_they_come(here: Rig) -> None:
    """A relayed call's tools have flags by their names, which nobody can list beforehand."""
    tenant = here.tenant()
    _provider.set("tool:search", False)
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi. [[ok]]"}], "tools": [tool]}
    request = DIALECTS[DialectName.CHAT].read(orjson.dumps(body))
    snapshot = here.runtime.policies.snapshot(tenant.id).deciding("ann")
    with pytest.raises(FeatureDisabled, match=rf"^Tool search is switched off for {tenant.name} by {SAYS} of the flag"):
        snapshot.resolve_relay(program(tenant), request, schema="chat")
    _provider.set("tool:search", True)
    assert snapshot.resolve_relay(program(tenant), request, schema="chat").route.name == "default"
