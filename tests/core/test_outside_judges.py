"""Services that judge texts: asked once, side by side, and told no secret; where they do not answer, nothing passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import SecretStr

from core.clock import ManualClock
from core.dialects import DIALECTS, DialectName
from core.errors import GuardrailBlocked, GuardrailUnavailable, Invalid
from core.frame_screens import AllowedTexts
from core.guardrails import (
    NOT_JUDGED,
    Action,
    Finding,
    Guardrails,
    GuardrailTerms,
    OutsideJudges,
    Stage,
    built_in,
    guardrail_of,
    settings_text,
)
from core.messages import Message
from core.outgoing import Outgoing
from core.screened_frames import ScreenedFrames
from core.screened_places import AnswerScreen, asked_as_allowed, body_as_allowed
from core.settings import Settings
from core.trials import examined
from tests.conftest import START
from tests.core.test_screened_frames import STREAMS, frames_of
from tests.wire.guards import GuardServer, moderated

HERE = (ip_network("127.0.0.1/32"),)
A_KEY = "sk-proj-" + "Zx9Qw3Er7Ty2Ui8Op4As6Df1Gh5Jk0LzXcVbNm12"


class Rig:
    """A service, and rules that ask it."""

    def __init__(self, server: GuardServer, **settings: Any) -> None:
        self.server = server
        given = {"outgoing_networks": HERE, "openai_base_url": server.url, "openai_api_key": SecretStr("k"), **settings}
        self.settings = Settings(**given)
        self.clock = ManualClock(START)
        self.services = OutsideJudges(self.settings, self.clock, Outgoing(self.settings.outgoing_networks))

    def rules(self, *checks: str, action: Action = Action.BLOCK, **settings: Any) -> Guardrails:
        """Return rules of *checks*, beside those that are built in."""
        own = [
            guardrail_of(
                GuardrailTerms(
                    f"my {check}",
                    check,
                    action,
                    frozenset(Stage),
                    settings_text(
                        {
                            **({"url": f"{self.server.url}/judge"} if check == "webhook" else {}),
                            "seconds": 10,
                            **settings,
                        }
                    ),
                )
            )
            for check in checks
        ]
        return Guardrails([*built_in(), *own], self.services)


CHECKS = ("moderation", "webhook")


@pytest.mark.parametrize("check", CHECKS)
def test_all_texts_of_a_request_are_asked_about_at_once(check: str) -> None:
    """In one request, each once, in their order; what passes goes on as it is."""
    with GuardServer("bad") as server:
        rig = Rig(server)
        messages = [Message.of("system", "be brief"), Message.of("user", "hello"), Message.of("user", "be brief")]
        found: list[Finding] = []
        assert rig.rules(check).screen_messages(messages, Stage.INPUT, found) == messages
        assert (server.texts, len(server.asked), found) == (["be brief", "hello"], 1, [])
        body = b'{"model":"m","messages":[{"role":"user","content":"one"},{"role":"user","content":"two"}]}'
        asked = DIALECTS[DialectName.CHAT].read(body)
        server.asked.clear()
        assert asked_as_allowed(rig.rules(check), asked, []) is asked
        assert len(server.asked) == 1
        assert {"one", "two"} <= set(server.texts)
        server.asked.clear()
        answer = b'{"choices":[{"message":{"role":"assistant","content":"a bad one"}}]}'
        with pytest.raises(GuardrailBlocked, match=f"my {check}"):
            body_as_allowed(rig.rules(check), DIALECTS[DialectName.CHAT], answer, [])
        assert len(server.asked) == 1
        assert AnswerScreen(rig.rules(check)).kept('{"a": "x", "b": "y"}') == '{"a": "x", "b": "y"}'
        assert len(server.asked) == 2
        rig.services.close()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("action", [Action.NOTE, Action.REDACT, Action.BLOCK])
def test_what_it_objects_to_becomes_what_the_rule_says(check: str, action: Action) -> None:
    """It is noted, taken out or refused; the refusal names the rule and nothing of the text."""
    with GuardServer("bad") as server:
        rig, found = Rig(server), list[Finding]()
        guardrails = rig.rules(check, action=action)
        if action is Action.BLOCK:
            with pytest.raises(GuardrailBlocked, match=rf"not sent: the guardrail my {check} found what") as told:
                guardrails.screen_value({"a": "a bad text"}, Stage.INPUT, found)
            assert "bad" not in str(told.value)
            assert not isinstance(told.value, GuardrailUnavailable)
        else:
            said = guardrails.screen_value({"a": "a bad text", "b": "good"}, Stage.INPUT, found)
            assert said["b"] == "good"
            assert said["a"] == "a bad text" if action is Action.NOTE else said["a"].startswith("[redacted: what")
        assert [(one.action, one.guardrail) for one in found] == [(action, f"my {check}")]
        rig.services.close()


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_taken_out_does_not_leave(check: str) -> None:
    """Neither a secret, whatever rules say, nor what another rule takes out; what one refuses is not sent at all."""
    with GuardServer() as server:
        rig = Rig(server)
        personal = guardrail_of(GuardrailTerms("personal", "personal", Action.REDACT, frozenset(Stage)))
        blocks = guardrail_of(
            GuardrailTerms("words", "words", Action.BLOCK, frozenset(Stage), settings_text({"words": ["secretive"]}))
        )
        ours = rig.rules(check).members[-1]
        plain = guardrail_of(GuardrailTerms(ours.name, check, Action.BLOCK, frozenset(Stage), settings_text(
            {"seconds": 10, **({"url": f"{server.url}/judge"} if check == "webhook" else {})}
        )))  # fmt: skip
        Guardrails([plain, personal], rig.services).screen_value([f"key {A_KEY}", "to jo@corp.de"], Stage.INPUT, [])
        assert server.texts == ["key [redacted: an OpenAI key]", "to [redacted: an e-mail address]"]
        server.asked.clear()
        with pytest.raises(GuardrailBlocked):
            Guardrails([plain, blocks], rig.services).screen_value(["first", "secretive"], Stage.INPUT, [])
        assert server.asked == []
        rig.services.close()


ODD: Mapping[str, tuple[int, bytes] | Callable[[Mapping[str, Any]], Any]] = {
    "401": (401, b"{}"),
    "403": (403, b"{}"),
    "404": (404, b"not found"),
    "429": (429, b"{}"),
    "500": (500, b"a traceback with the text in it"),
    "a redirect": (302, b""),
    "empty": (200, b""),
    "no JSON": (200, b"<html>"),
    "an error in a 200": (200, b'{"error": {"message": "no"}}'),
    "nothing of one text": lambda _: {"results": []},
    "one too few": lambda asked: {"results": one_each(asked)[1:]},
    "one too many": lambda asked: {"results": [*one_each(asked), *one_each(asked)[:1]]},
    "a word for a truth": lambda asked: each(asked, blocked="false", flagged="false"),
    "another action": lambda asked: each(asked, action="maybe"),
    "nothing in the place of a text": lambda asked: each(asked, action="replace"),
    "a list in the place of a text": lambda asked: each(asked, action="replace", text=["a"]),
    "too long a text": lambda asked: each(asked, action="replace", text="c" * 3_000_000),
}  # fmt: skip


def one_each(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an answer by which all passes, at either address."""
    texts: Sequence[str] = asked.get("texts") or asked["input"]
    return [{"action": "pass", **moderated()} for _ in texts]


def each(asked: Mapping[str, Any], **said: Any) -> dict[str, Any]:
    """Return an answer that says the same of each text."""
    return {"results": [said for _ in one_each(asked)]}


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("odd", [*ODD, "silent", "nobody there"])
def test_who_does_not_answer_as_he_should_has_judged_nothing(odd: str, check: str, *, goes_on: bool) -> None:
    """On each side, whole and streamed: it is refused as not available, or goes on and is told as not judged."""
    with GuardServer() as server:
        rig = Rig(server, **({"openai_base_url": "http://127.0.0.1:9"} if odd == "nobody there" else {}))
        more = {"url": "http://127.0.0.1:9/"} if odd == "nobody there" and check == "webhook" else {}
        server.answer = ODD.get(odd)
        server.gate = threading.Event() if odd == "silent" else None
        settings = {"on_failure": "pass"} if goes_on else {}
        guardrails = rig.rules(check, seconds=0.3 if odd == "silent" else 10, **settings, **more)
        for stage in Stage:
            found: list[Finding] = []
            if goes_on:
                assert guardrails.screen_value(["a", "b", "c"], stage, found) == ["a", "b", "c"]
                assert [(one.kind, one.action) for one in found] == [(NOT_JUDGED, Action.NOTE)] * 3
            else:
                with pytest.raises(GuardrailUnavailable, match=f"the guardrail my {check} got no verdict"):
                    guardrails.screen_value(["a", "b", "c"], stage, found)
        growing = guardrails.screened_text()
        growing.add("a text")
        assert growing.news() == ""
        if goes_on:
            assert growing.news(is_last=True) == "a text"
        else:
            with pytest.raises(GuardrailUnavailable):
                growing.news(is_last=True)
        assert list(rig.services.failing.values()) != []
        if server.gate is not None:
            server.gate.set()
        rig.services.close()


@pytest.mark.parametrize("dialect", STREAMS)
def test_a_stream_in_a_dialect_comes_whole_once_it_is_judged(dialect: DialectName) -> None:
    """All of it, byte for byte."""
    with GuardServer() as server:
        rig = Rig(server)
        stream = b"".join(STREAMS[dialect](["Hello ", "world"], ['{"a":', '"b"}']))
        screening = ScreenedFrames(AllowedTexts(rig.rules("webhook")), DIALECTS[dialect].places, tools=["send_mail"])
        frames = [one for fed in frames_of(dialect, stream) for one in fed]
        shown = [one for frame in frames for one in screening.of([frame])]
        assert b"".join(one.outward for one in (*shown, *screening.rest())) == stream
        rig.services.close()


WORDS = [
    (401, {}, "It does not know us (it answered 401). Look at "),
    (403, {}, "It does not let us in (it answered 403). Look at "),
    (404, {}, "There is nothing at its address (it answered 404). Look at "),
    (500, {}, "It failed (it answered 500)."),
    (429, {"retry-after": "30"}, "It says that it is asked too often (it answered 429)."),
    (429, {"retry-after": "86400"}, "It says that it is asked too often (it answered 429)."),
    (503, {"retry-after": "Wed, 04 Mar 2026 12:00:30 GMT"}, "It failed (it answered 503)."),
]


@pytest.mark.parametrize(("status", "headers", "says"), WORDS)
@pytest.mark.parametrize("check", CHECKS)
def test_it_is_told_what_is_to_be_mended_and_who_asks_for_a_rest_has_it(
    check: str, status: int, headers: dict[str, str], says: str
) -> None:
    """A wrong key or address is named; nobody is asked again before the time that he names, a minute at most."""
    with GuardServer() as server:
        rig = Rig(server)
        server.answer, server.more_headers = (status, b"{}"), headers
        guardrails = rig.rules(check)
        for text in ("a", "b"):
            with pytest.raises(GuardrailUnavailable):
                guardrails.screen_value(text, Stage.INPUT, [])
        assert len(server.asked) == (1 if headers else 2)
        (told,) = rig.services.failing.values()
        assert told.startswith(says)
        assert ("Look at" in told) is (status in {401, 403, 404})
        rig.clock.advance(29)
        server.answer = None
        if headers:
            with pytest.raises(GuardrailUnavailable):
                guardrails.screen_value("c", Stage.INPUT, [])
        rig.clock.advance(32)
        guardrails.screen_value("c", Stage.INPUT, [])
        assert rig.services.failing == {}
        server.answer = (500, b"")
        with pytest.raises(GuardrailUnavailable):
            guardrails.screen_value("d", Stage.INPUT, [])
        assert len(rig.services.failing) == 1
        rig.clock.advance(7_200)
        assert rig.services.failing == {}, "nobody has asked it for long: its rule may be gone"
        rig.services.close()


def test_a_fault_of_ours_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong in between: nothing is passed by it."""
    with GuardServer() as server:
        rig = Rig(server)
        server.answer = (200, b"{")
        guardrails = rig.rules("webhook")
        (judge,) = [one.search for one in guardrails.members if one.name == "my webhook"]
        monkeypatch.setattr(type(judge.terms), "verdicts", lambda *_: 1 / 0)  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(GuardrailUnavailable):
            guardrails.screen_value("a", Stage.INPUT, [])
        rig.services.close()


def test_two_services_are_asked_side_by_side() -> None:
    """Each waits for the other to have been asked: one after the other they would not answer."""
    both = threading.Barrier(2)

    class Waiting(GuardServer):
        def asked_for(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
            both.wait(20)
            return super().asked_for(path, headers, body)

    with Waiting() as server:
        rig = Rig(server)
        assert rig.rules(*CHECKS).screen_value("a", Stage.INPUT, []) == "a"
        rig.services.close()


def test_many_texts_go_in_several_requests() -> None:
    """So none is longer than a service takes; each text is still told apart."""
    with GuardServer("bad") as server:
        rig, found = Rig(server), list[Finding]()
        texts = [*(f"text {n}" for n in range(70)), "bad " + "x" * 250_000, "y" * 150_000, "z" * 100_000]
        said = rig.rules("webhook", action=Action.REDACT).screen_value(texts, Stage.INPUT, found)
        assert (len(server.asked), sorted(server.texts)) == (5, sorted(texts))
        assert [n for n, (new, old) in enumerate(zip(said, texts, strict=True)) if new != old] == [70]
        rig.services.close()


@pytest.mark.parametrize(
    ("result", "thresholds", "kind"),
    [
        (moderated(["harassment/threatening"]), {}, "what is moderated (harassment/threatening)"),
        (moderated(["a-new-one"]), {}, "what is moderated (a-new-one)"),
        (moderated(["Prompt: the text of the caller itself"]), {}, "what is moderated"),
        (moderated(violence=0.93), {}, ""),
        (moderated(violence=0.93), {"violence": 0.8}, "what is moderated (violence)"),
        (moderated(["violence"], violence=0.7), {"violence": 0.8}, ""),
        (moderated(["harassment"]), {"violence": 0.8}, ""),
        (moderated() | {"flagged": True}, {}, "what is moderated"),
    ],
)
def test_categories_and_scores(result: dict[str, Any], thresholds: dict[str, float], kind: str) -> None:
    """Categories are open, null is not true, a rule's thresholds go before the flag; only plain names are told."""
    with GuardServer() as server:
        rig, found = Rig(server), list[Finding]()
        server.answer = lambda _: {"results": [result]}
        rig.rules("moderation", action=Action.NOTE, thresholds=thresholds).screen_value("a", Stage.INPUT, found)
        assert [one.kind for one in found] == ([kind] if kind else [])
        assert server.asked == [{"model": "omni-moderation-latest", "input": ["a"]}]
        assert server.headers[0]["authorization"] == "Bearer k"
        rig.services.close()


def test_a_webhook_may_answer_with_another_text() -> None:
    """Under a rule that redacts it goes on in the place of its own; elsewhere it is let be."""
    with GuardServer() as server:
        rig, found = Rig(server), list[Finding]()
        server.changes = {"b": "B"}
        assert rig.rules("webhook", action=Action.REDACT).screen_value(["a", "b", "c"], Stage.OUTPUT, found) == [
            "a", "B", "c",
        ]  # fmt: skip
        assert [one.kind for one in found] == ["what it has changed"]
        assert rig.rules("webhook").screen_value(["b"], Stage.OUTPUT, []) == ["b"]
        growing = rig.rules("webhook", action=Action.REDACT).screened_text()
        growing.add("b")
        assert (growing.news(), growing.news(is_last=True), growing.shown()) == ("", "B", "B")
        rig.services.close()


def test_a_secret_goes_to_the_host_that_it_is_for() -> None:
    """Whoever enters an address names no secret, so another host is told none."""
    with GuardServer() as server, GuardServer() as other:
        secrets = {server.url.removeprefix("http://"): SecretStr("of the first")}
        rig = Rig(server, webhook_secrets=secrets)
        rig.rules("webhook").screen_value("a", Stage.INPUT, [])
        rig.rules("webhook", url=f"{other.url}/").screen_value("a", Stage.INPUT, [])
        assert server.headers[0]["authorization"] == "Bearer of the first"
        assert "authorization" not in other.headers[0]
        rig.services.close()


def test_what_is_asked_about_alone_is_asked_once() -> None:
    """A stream tells at its end again what it has told: that is remembered for a moment."""
    with GuardServer() as server:
        rig = Rig(server)
        guardrails = rig.rules("webhook")
        assert [guardrails.screened("a text") for _ in range(3)] == ["a text"] * 3
        assert len(server.asked) == 1
        rig.services.close()


@pytest.mark.parametrize(
    ("check", "settings", "sentence"),
    [
        ("webhook", {}, "url is the address"),
        ("webhook", {"url": "ftp://a.example"}, "url is the address"),
        ("webhook", {"url": "https://a.example", "seconds": 11}, "seconds is a number above 0 and up to 10"),
        ("webhook", {"url": "https://a.example", "seconds": True}, "seconds is a number"),
        ("webhook", {"url": "https://a.example", "on_failure": "maybe"}, "on_failure is block, or pass"),
        ("webhook", {"url": "https://a.example", "secret": "x"}, "no setting 'secret'"),
        ("moderation", {"provider": "nobody"}, "provider is the name"),
        ("moderation", {"model": "two words"}, "model is the name"),
        ("moderation", {"thresholds": {"violence": 2}}, "thresholds has a number"),
        ("moderation", {"thresholds": ["violence"]}, "thresholds has a number"),
    ],
)
def test_settings_that_cannot_be_used(check: str, settings: dict[str, Any], sentence: str) -> None:
    """They are refused with one sentence, when the rule is saved."""
    with pytest.raises(Invalid, match=sentence):
        guardrail_of(GuardrailTerms("r", check, Action.BLOCK, frozenset(Stage), settings_text(settings)))


def test_try_it_asks_once() -> None:
    """Whoever tries a text on the rules asks as a call would."""
    with GuardServer("bad") as server:
        rig = Rig(server)
        tried = examined(rig.rules("webhook"), "a bad text", Stage.INPUT, ManualClock(START))
        assert "my webhook" in tried.why
        assert len(server.asked) == 1
        rig.services.close()
