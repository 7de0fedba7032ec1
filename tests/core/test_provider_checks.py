"""A check of a provider: what it asks, what it finds, and that it costs nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from core import runtime as running
from core.cli import doctor
from core.clock import ManualClock
from core.errors import NotFound
from core.provider_checks import HOLDS_SECONDS
from core.runtime import Runtime
from core.servers import named_servers
from core.settings import Settings
from tests.wire.scripted import Scripted, ScriptedServer
from tests.wire.server import WireServer

KEY = "sk-canary-of-the-check"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """The fake vendors."""
    with WireServer() as found:
        yield found


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A server that answers what a test says."""
    with ScriptedServer() as found:
        yield found


def built(url: str, **more: Any) -> Runtime:
    """Return a Proctor that asks nobody else."""
    values: dict[str, Any] = {"database_url": url, "demo": False, "local_model": "off", "openai_api_key": KEY}
    return running.build(Settings(**values | more), ManualClock(NOW))


def test_both_vendors_are_asked_for_their_models(sqlite_url: str, wire: WireServer) -> None:
    """Each by its own SDK, with our key; no call of a model is made, and what they tell is remembered with its time."""
    more = {"anthropic_api_key": SecretStr(KEY), "anthropic_base_url": wire.anthropic_url}
    with closing(built(sqlite_url, openai_base_url=wire.openai_url, **more)) as proctor:
        assert proctor.checks.last("openai") is None
        found = {name: proctor.checks.check(name) for name in ("openai", "anthropic")}
        assert found["openai"] is proctor.checks.last("openai")

    assert all(one.is_well and one.at == NOW and "lists" in one.sentence for one in found.values())
    assert not wire.ledger.calls()


def test_what_is_listed_is_learned(sqlite_url: str, server: ScriptedServer) -> None:
    """When a model retires is known from the check on."""
    server.plays(Scripted.whole({"data": [{"id": "old", "shutdown_date": "2026-12-11"}]}))
    with closing(built(sqlite_url, openai_base_url=server.openai_url)) as proctor:
        told = proctor.checks.check("openai")
        assert proctor.cards.of("openai", "old").retires == date(2026, 12, 11)

    [(path, headers)] = server.heard
    assert path == "/v1/models"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "lists 1 model;" in told.sentence


def test_what_was_told_is_known_to_all_processes_and_after_a_restart(database_url: str, server: ScriptedServer) -> None:
    """Cards, and how the check ended: another process takes them in with its next look, without asking anybody.

    A model that leaves the list is told of, until it is back; a part of a list takes none away.
    """
    first = {"id": "models/one", "context_window": 9}, {"id": "two", "max_context_length": 8, "aliases": ["second"]}
    partial = {"data": [first[0]], "has_more": True}
    server.plays(
        Scripted.whole({"data": first}), Scripted.whole(partial), Scripted.whole({"data": first[:1]}),
        Scripted.whole({"error": {"message": "Sorry"}}, 500), Scripted.whole({"data": first}),
    )  # fmt: skip
    with (
        closing(built(database_url, openai_base_url=server.openai_url)) as one,
        closing(built(database_url, openai_base_url=server.openai_url)) as other,
    ):

        def sentences() -> list[str]:
            other.listings.take_in()
            names = ("one", "two", "second")
            return [other.cards.of("openai", name).retiring(name, NOW.date()) for name in names]

        told = list[list[str]]()
        for _ in range(5):
            one.checks.check_all()
            one.clock.advance(HOLDS_SECONDS)  # pyright: ignore[reportAttributeAccessIssue] a ManualClock
            told.append(sentences())
            assert other.checks.last("openai") == one.checks.last("openai")
        assert (other.cards.of("openai", "one").context, other.cards.of("openai", "second").context) == (9, 8)
    left = "has not been listed since 2026-11-29, says openai's own list of 2026-11-29: it may be gone, or not for this"
    gone = ["", f"two {left} key.", f"second {left} key."]
    assert told == [[""] * 3, [""] * 3, gone, gone, [""] * 3]
    assert len(server.heard) == 5


def test_doctor_tells_the_last_check(sqlite_url: str, server: ScriptedServer) -> None:
    """By the one that a running process made; it asks nobody itself."""
    server.plays(Scripted.whole({"error": {"message": "Sorry"}}, 500))
    with closing(built(sqlite_url, openai_base_url=server.openai_url)) as proctor:
        assert not list(doctor._checks(proctor.settings, proctor.store))
        proctor.checks.check("openai")
        [found] = doctor._checks(proctor.settings, proctor.store)
    assert (found.part, found.health) == ("openai, last check", doctor.Health.WARNING)
    assert found.sentence.startswith("2026-11-29 12:00 UTC: openai answered 500")
    assert len(server.heard) == 1


def test_a_key_that_may_not_list_models_does_not_rest(sqlite_url: str, server: ScriptedServer) -> None:
    """It may be good for calls all the same, so the check tells of it and no more."""
    server.plays(Scripted.whole({"error": {"message": "no", "code": "missing_scope"}}, 403))
    there = {"GROQ_API_KEY": "gsk-first gsk-second", "GROQ_BASE_URL": server.openai_url}
    with closing(built(sqlite_url, openai_api_key=None, providers=named_servers("groq", there.get))) as proctor:
        assert not proctor.checks.check("groq").is_well
        assert not proctor.resting_keys("groq")


NOT_WELL: dict[str, tuple[Scripted, bool, str]] = {
    "key": (Scripted.whole({"error": {"message": f"Bad key {KEY}", "code": "invalid_api_key"}}, 401), False, "key"),
    "down": (Scripted.whole({"error": {"message": "Sorry"}}, 500), False, "500"),
    "garbled": (Scripted(b"<html>hello</html>", "text/html"), False, "no JSON"),
    "no list": (Scripted.whole({"error": {"message": "Unknown path"}}, 404), True, "no list of models"),
}


@pytest.mark.parametrize("how", NOT_WELL)
def test_what_is_wrong_is_said(how: str, sqlite_url: str, server: ScriptedServer) -> None:
    """In a sentence, without our key; who has no list of models is well all the same."""
    answer, is_well, said = NOT_WELL[how]
    server.plays(answer)
    with closing(built(sqlite_url, openai_base_url=server.openai_url)) as proctor:
        found = proctor.checks.check("openai")

    assert found.is_well is is_well
    assert said in found.sentence
    assert KEY not in found.sentence


def test_nobody_there(sqlite_url: str) -> None:
    """A closed door is told as one."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    with closing(built(sqlite_url, openai_base_url=url)) as proctor:
        found = proctor.checks.check("openai")

    assert not found.is_well
    assert "connection" in found.sentence


def test_silence_ends(sqlite_url: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who accepts a connection and says nothing is waited for no longer than a check may take."""
    monkeypatch.setattr("core.provider_checks.MOST_SECONDS", 0.05)
    server.plays(Scripted(is_silent=True))
    with closing(built(sqlite_url, openai_base_url=server.openai_url)) as proctor:
        found = proctor.checks.check("openai")

    assert not found.is_well
    assert "no whole answer within 0.05 s" in found.sentence


def test_who_lists_nothing_for_free_is_only_connected_to(sqlite_url: str, server: ScriptedServer) -> None:
    """So no call goes out to a kind whose list costs, or needs more than a key."""
    given = {
        "VERTEX_BASE_URL": server.openai_url,
        "VERTEX_REGION": "eu",
        "VERTEX_PROJECT": "p",
        "VERTEX_API_KEY": KEY,
    }
    with closing(built(sqlite_url, providers=named_servers("vertex", given.get))) as proctor:
        found = proctor.checks.check("vertex")

    assert found.is_well
    assert not server.heard


def test_many_who_press_at_once_are_one_check(sqlite_url: str, server: ScriptedServer) -> None:
    """Within two seconds the same is told, without asking."""
    server.plays(Scripted.whole({"data": []}))
    with closing(built(sqlite_url, openai_base_url=server.openai_url)) as proctor:
        clock = proctor.clock
        assert isinstance(clock, ManualClock)
        first = proctor.checks.check("openai")
        assert proctor.checks.check("openai") is first
        clock.advance(HOLDS_SECONDS)
        assert proctor.checks.check("openai") is not first

    assert len(server.heard) == 2


def test_who_is_not_set_up_cannot_be_checked(sqlite_url: str) -> None:
    """Nor can the local model, which tells by itself how it is."""
    with closing(built(sqlite_url)) as proctor:
        for name in ("anthropic", "local", "nobody"):
            with pytest.raises(NotFound):
                proctor.checks.check(name)


def two_servers(first: ScriptedServer, second: ScriptedServer) -> dict[str, Any]:
    """Return the settings of two servers by name."""
    there = {
        "GROQ_API_KEY": KEY,
        "GROQ_BASE_URL": first.openai_url,
        "MISTRAL_API_KEY": KEY,
        "MISTRAL_BASE_URL": second.openai_url,
    }
    return {"openai_api_key": None, "providers": named_servers("groq,mistral", there.get)}


def test_a_slow_provider_keeps_no_other(sqlite_url: str, server: ScriptedServer) -> None:
    """They are checked side by side: here the first answers only once the second has been asked."""
    asked, listed = threading.Event(), {"data": [{"id": "one"}]}
    with ScriptedServer() as second:

        def answered(_: Any) -> Scripted:
            asked.set()
            return Scripted.whole(listed)

        second.answers = answered
        server.plays(replace(Scripted.whole(listed), gate=asked))
        with closing(built(sqlite_url, **two_servers(server, second))) as proctor:
            proctor.checks.check_all()
            for name in ("groq", "mistral"):
                found = proctor.checks.last(name)
                assert found is not None
                assert found.is_well, found.sentence


def test_whatever_becomes_of_one_check_the_others_are_made(
    sqlite_url: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no finding is raised in the end, so that the chore is known to have failed."""
    server.plays(Scripted.whole({"data": []}))
    with closing(built(sqlite_url, **two_servers(server, server))) as proctor:
        look = proctor.checks._looked

        def broken(name: str, began: float) -> Any:
            if name == "groq":
                raise RuntimeError("broken")
            return look(name, began)

        monkeypatch.setattr(proctor.checks, "_looked", broken)
        with pytest.raises(RuntimeError, match="broken"):
            proctor.checks.check_all()
        assert proctor.checks.last("mistral") is not None


def test_doctor_reaches_the_providers(sqlite_url: str, server: ScriptedServer) -> None:
    """Step by step, up to the first that fails, and without a key."""
    server.plays(Scripted.whole({"data": [{"id": "one"}]}))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()[1]
    there = {
        "COMPATIBLE_CLOSED_BASE_URL": f"http://127.0.0.1:{nobody}/v1",
        "COMPATIBLE_PLAIN_BASE_URL": server.openai_url.replace("http:", "https:"),
        "COMPATIBLE_WELL_BASE_URL": server.openai_url,
        "COMPATIBLE_WELL_API_KEY": KEY,
    }
    servers = named_servers("compatible-closed,compatible-plain,compatible-well", there.get)
    settings = Settings(database_url=sqlite_url, demo=False, local_model="off", providers=servers)
    found = {one.part.removesuffix(", reached"): one for one in doctor._reached(settings)}
    assert [(name, one.health.value) for name, one in found.items()] == [
        ("compatible-closed", "failed"), ("compatible-plain", "failed"), ("compatible-well", "ok"),
    ]  # fmt: skip
    assert "no connection" in found["compatible-closed"].sentence
    assert "connected, no TLS" in found["compatible-plain"].sentence
    assert "connected without TLS. It answered in" in found["compatible-well"].sentence
    assert KEY not in str(found)
