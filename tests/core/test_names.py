"""Names of persons: found by a pipeline in a process of its own; what was not looked at is told, and never passes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.errors import GuardrailBlocked, GuardrailUnavailable, Invalid
from core.guardrail_rules import GuardrailRules
from core.guardrails import (
    NOT_JUDGED,
    Action,
    Finding,
    Guardrail,
    Guardrails,
    GuardrailTerms,
    OutsideJudges,
    Stage,
    guardrail_of,
    settings_text,
)
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.store import Store
from core.validation import Effort
from core.variables import read_pipelines
from core.workers import _name_readers, _names, _pool
from core.workers._names import finder, names_in, trouble_with
from core.workers._order import GivenTexts, WorkerReply

KIND = "the name of a person"
MARK = f"[redacted: {KIND}]"


class Reads:
    """What stands for a process: it finds two names, once it is let, or says what it is told to say."""

    pid, exit_code, is_ready = 0, None, True
    says = "valid"
    let = threading.Event()
    pipelines: list[str]

    def __init__(self, pipeline: str = "") -> None:
        if self.says == "not started":
            raise OSError
        self.pipelines.append(pipeline)

    def read(self, model: Any, order: GivenTexts, effort: Effort) -> WorkerReply:
        """Find, as the real one does."""
        del model
        assert self.let.wait(60)
        found = names_in(order.texts, _found, effort.is_late)
        return WorkerReply("unjudged" if found is None else self.says, 0.01, json.dumps(found).encode())  # pyright: ignore[reportArgumentType]

    def end(self) -> None:
        """Do nothing."""

    close = end


def _found(text: str) -> Sequence[tuple[int, int]]:
    return [(at, at + len(one)) for one in ("Anna Schmidt", "Bo") if (at := text.find(one)) >= 0]


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Iterator[OutsideJudges]:
    """Two pipelines, of which no process is started."""
    monkeypatch.setattr(_pool, "Worker", Reads)
    monkeypatch.setattr(Reads, "pipelines", [], raising=False)
    monkeypatch.setattr(_name_readers, "trouble_with", lambda _: "")
    Reads.let.set()
    made = OutsideJudges(Settings(name_pipelines={"en": "/en", "de": "/de"}), SystemClock())
    yield made
    Reads.let.set()
    made.close()


def rule(action: Action = Action.BLOCK, **settings: Any) -> Guardrail:
    """Return a rule that lets one name be."""
    text = settings_text({"pipeline": "en", **settings})
    return guardrail_of(GuardrailTerms("names", "names", action, frozenset(Stage), text, frozenset({"Bo"})))


@pytest.mark.parametrize("action", [Action.NOTE, Action.REDACT, Action.BLOCK])
def test_a_name_becomes_what_the_rule_says(judges: OutsideJudges, action: Action) -> None:
    """It alone is taken out, in values and in names of members, and what is an exception is let be."""
    found: list[Finding] = []
    value = {"to": "Dear Anna Schmidt, and Bo.", "Anna Schmidt": "Bo", "n": 7}
    both = Guardrails([rule(action), rule(action, pipeline="de")], judges)
    if action is Action.BLOCK:
        with pytest.raises(GuardrailBlocked, match=f"the guardrail names found {KIND}") as told:
            both.screen_value(value, Stage.INPUT, found)
        assert "Anna" not in str(told.value)
        return
    said = both.screen_value(value, Stage.INPUT, found)
    taken_out = {"to": f"Dear {MARK}, and Bo.", MARK: "Bo", "n": 7}
    assert said == (value if action is Action.NOTE else taken_out), "two pipelines that find it take it out once"
    assert [(one.kind, one.count, one.action) for one in found] == [(KIND, 1, action)] * 4
    assert sorted(Reads.pipelines) == ["/de", "/en"]


NOT_FOUND_OUT = {
    "lost": ("Its process has ended, or had others to read for.", 2),
    "not started": ("It cannot be loaded. Look at NAME_PIPELINES", 0),
    "busy": ("It did not answer in time.", 1),
}


@pytest.mark.parametrize("says", NOT_FOUND_OUT)
def test_what_nobody_looked_at_is_told_and_does_not_pass(
    judges: OutsideJudges, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """Whatever the reason; the rule says whether it goes on, within its time, and one that does not load is left."""
    told, started = NOT_FOUND_OUT[says]
    monkeypatch.setattr(Reads, "says", says)
    if says == "busy":
        Reads.let.clear()
    seconds, found = 0.05 if says == "busy" else 30, list[Finding]()
    with pytest.raises(GuardrailUnavailable, match="got no verdict"):
        Guardrails([rule(seconds=seconds)], judges).screen_value("Bo", Stage.INPUT, [])
    open_one = Guardrails([rule(seconds=seconds, on_failure="pass")], judges)
    assert open_one.screen_value("a", Stage.INPUT, found) == "a"
    assert [(one.kind, one.action) for one in found] == [(NOT_JUDGED, Action.NOTE)]
    assert all(one.startswith(told) for one in judges.failing.values())
    assert len(Reads.pipelines) <= max(started, 1)
    if says == "not started":
        monkeypatch.setattr(Reads, "says", "valid")
        with pytest.raises(GuardrailUnavailable):
            Guardrails([rule(seconds=seconds)], judges).screen_value("c", Stage.INPUT, [])
        assert not Reads.pipelines


def test_a_long_text_is_read_in_pieces_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No piece ends within a word, places are those of the whole, and half a letter shifts none."""
    monkeypatch.setattr(_names, "_PIECE", 8)
    text = "Bo\ud800 7 \U0001f600 aaaa Bo\nbbbbbbbbbbbbb Bo 12345678901234567890 Bo"
    everywhere = [(at, at + 2) for at in range(len(text)) if text.startswith("Bo", at)]
    assert names_in([text, "", "Bo"], _found, lambda: False) == [everywhere, [], [(0, 2)]]
    lates = iter([False, False, True])
    assert names_in([text], _found, lambda: next(lates)) is None


@pytest.mark.parametrize("before", range(50, 55))
def test_a_name_of_two_words_is_found_wherever_a_piece_ends(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Once, and whole, although a piece may end between its words."""
    monkeypatch.setattr(_names, "_PIECE", 160)
    text = "ab " * before + "Al Bo" + " cd" * 60
    found = names_in([text], lambda piece: [one.span() for one in re.finditer("Al Bo", piece)], lambda: False)
    assert found == [[(3 * before, 3 * before + 5)]]


def test_a_rule_is_refused_where_nobody_would_find_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_store: Store
) -> None:
    """When it is saved, with a sentence that says what is missing."""
    folder = tmp_path / "pipeline"
    folder.mkdir()
    settings = Settings(name_pipelines={"en": str(folder), "de": "no_such_package"})

    def refused(settings: Settings, **given: Any) -> str:
        rules = GuardrailRules(sqlite_store, SystemClock(), OutsideJudges(settings, SystemClock()))
        with pytest.raises(Invalid) as told:
            rules.set(LOCAL_OPERATOR, "names", None, "names", "note", settings=given)
        return told.value.message

    assert refused(Settings()).startswith("Nobody finds names here: whoever runs this deployment installs proctor[n")
    assert refused(settings) == "pipeline says who finds the names: one of en, de."
    assert refused(settings, pipeline="fr") == "pipeline is 'fr', and NAME_PIPELINES has: en, de."
    assert refused(settings, pipeline=1) == "pipeline is the name of one of NAME_PIPELINES, such as en."
    assert refused(settings, pipeline="en", seconds=61).startswith("seconds is a number above 0 and up to 60")
    monkeypatch.setattr(_names, "_LIBRARY", "no_such_library")
    assert refused(settings, pipeline="en").startswith("NAME_PIPELINES, en: The library that finds names is not ins")
    monkeypatch.setattr(_names, "_LIBRARY", "json")
    assert refused(settings, pipeline="de").startswith("NAME_PIPELINES, de: The package no_such_package is not insta")
    for meta, says in (("{", "is no pipeline of spaCy's"), ('{"labels": {"ner": ["ORG"]}}', "finds no persons")):
        (folder / "meta.json").write_text(meta)
        assert says in refused(settings, pipeline="en")
    (folder / "meta.json").write_text('{"labels": {"ner": ["PER"]}}')
    assert trouble_with(str(folder)) == ""


def test_a_pipeline_that_a_rule_needs_is_loaded_before_a_call(judges: OutsideJudges, sqlite_store: Store) -> None:
    """With the start of the server; one that no rule names is not, nor is that of a rule which is off."""
    rules = GuardrailRules(sqlite_store, SystemClock(), judges)
    rules.set(LOCAL_OPERATOR, "names", None, "names", "note", settings={"pipeline": "de"})
    rules.set(LOCAL_OPERATOR, "off", None, "names", "note", settings={"pipeline": "en"}, is_on=False)
    rules.prepare()
    Guardrails([rule(pipeline="de", seconds=30)], judges).screen_value("a", Stage.INPUT, [])
    assert Reads.pipelines == ["/de"]
    rules.close()


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("", {}),
        ("en=en_core_web_lg, de=/srv/m", {"en": "en_core_web_lg", "de": "/srv/m"}),
        ("en_core_web_lg", "entry 1 is not name=package or name=/folder, such as en=en_core_web_lg"),
        ("en=a,de=../m", "entry 2 is not name=package or name=/folder, such as en=en_core_web_lg"),
        (",".join(f"p{n}=a" for n in range(9)), "it names 9 pipelines, and each is a process: at most 8 are taken"),
    ],
)
def test_pipelines_are_named_in_a_list(given: str, right: dict[str, str] | str) -> None:
    """Each by a name of its own; what cannot be read is told by its number."""
    if isinstance(right, dict):
        assert read_pipelines(given) == right
        return
    with pytest.raises(ValueError, match=right):
        read_pipelines(given)


def test_a_pipeline_of_spacy_finds_names_in_its_process(tmp_path: Path) -> None:
    """It is loaded there once; what it calls a person is a name, and nothing else is."""
    spacy = pytest.importorskip("spacy", reason="the extra 'names' is not installed")
    made = spacy.blank("de")
    labels = {"PER": "Anna Schmidt", "ORG": "ACME", "PERSON": "Bo"}
    made.add_pipe("entity_ruler").add_patterns([{"label": label, "pattern": name} for label, name in labels.items()])
    made.to_disk(tmp_path / "de")
    text = "\U0001f600 Anna Schmidt of ACME, Bo"
    assert finder(str(tmp_path / "de"))(text) == [(2, 14), (24, 26)]
    judges = OutsideJudges(Settings(name_pipelines={"de": str(tmp_path / "de")}), SystemClock())
    at_work = Guardrails([rule(Action.REDACT, pipeline="", seconds=60)], judges)
    assert at_work.screen_value([text, "ACME"], Stage.OUTPUT, []) == [f"\U0001f600 {MARK} of ACME, Bo", "ACME"]
    judges.close()
