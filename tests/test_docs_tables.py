"""The tables of the documentation are complete, and hold nothing that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from core import errors
from core.api import bodies, calls, operations, problems, spend
from core.api.assembly import assemble
from core.call_search import FIELDS
from core.cli import proctor
from core.flags import Flag
from core.guardrails.checks import NAMES as CHECKS
from core.providers import ProviderError
from core.runtime import build
from core.schemas import SAMPLES
from core.settings import ROOT, Settings
from core.tables import METADATA, AttemptKind, Outcome
from core.telemetry import Metrics
from tests.docs_runner import ADMINISTER, ALL, API, BUILD, OPERATE, PAGES, PRIVACY, RUNNING, blocks
from tests.test_settings_documented import DOCUMENTED

OWN_VARIABLES = {"PROCTOR_KEY", "SLOW_KEY", "KEY_ID", "NAME_FILE", "OLLAMA_CONTEXT_LENGTH", "FORWARDED_ALLOW_IPS"}
OWN_VARIABLES |= {"FLAGD_HOST", "FLAGD_PORT", "HTTPS_PROXY"}
"""Variables of the samples themselves, and of programs that they name."""
OF_A_SERVER = re.compile(
    r"(?:NAME|[A-Z]+(?:_[A-Z0-9]+)*)_(?:DIALECT|HEADERS|MODELS|API_VERSION|REGION|PROJECT)|(?:NAME|GROQ|OIDC_[A-Z]+)_.*"
)
"""Variables that begin with the name of a server or of an identity provider, and samples of them."""
ABSTRACT = {"error", "denied", "rejected", "repeated"}
"""Codes of classes that only group others; nothing raises them."""


def rows(text: str, first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is *first*, without its heading."""
    table = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"there is no table that begins with {first!r}"
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in table[1].splitlines()]


def names(text: str, first: str) -> list[str]:
    """Return what stands as code in the first column of a table."""
    return [name for row in rows(text, first) for name in re.findall(r"`([^`]+)`", row[0])]


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield *kind* and every class of ours below it; tests may have made others."""
    if kind.__module__.startswith("core."):
        yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def test_every_setting_stands_in_the_table() -> None:
    """Each variable with its default, as ``.env.example`` has it, and none that is not read."""
    shown = {row[0].strip("`"): row[1].strip("`") for row in rows(RUNNING, "variable")}
    assert shown == DOCUMENTED


def test_every_variable_that_is_mentioned_exists() -> None:
    """A name in capitals with an underscore is a setting, or the samples' own."""
    mentioned = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", ALL))
    settings = {name.upper() for name in Settings.model_fields}
    others = {name for name in mentioned if not OF_A_SERVER.fullmatch(name)}
    assert others - settings - {f"{name}_FILE" for name in settings} - {"API_KEY", "BASE_URL"} <= OWN_VARIABLES


def test_every_error_code_stands_in_the_table() -> None:
    """Each code that the API can answer with, and its status."""
    told = {
        kind.code: problems.STATUSES[kind][0]
        for kind in subclasses(errors.ProctorError)
        if kind.code not in ABSTRACT and "code" in vars(kind)  # else it is its parent's, for those who catch it
    }
    source = ast.parse(Path(problems.__file__).read_text(encoding="utf-8"))
    for call in (node for node in ast.walk(source) if isinstance(node, ast.Call)):
        keywords = {one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)}
        if "code" in keywords and "status" in keywords:
            told[keywords["code"]] = keywords["status"]
    told["method_not_allowed"] = 405
    assert {row[0].strip("`"): int(row[1]) for row in rows(API, "code")} == told


def test_abstract_errors_are_never_raised() -> None:
    """The codes that the table leaves out cannot occur."""
    for path in ROOT.glob("core/**/*.py"):
        raised = re.search(r"raise (ProctorError|Denied|Rejected|Repeated)\(", path.read_text(encoding="utf-8"))
        assert not raised, path


def test_every_outcome_stands_in_the_table() -> None:
    """Each outcome, with the word that the console has for it."""
    source = ast.parse((ROOT / "pages" / "kit" / "outcomes.py").read_text(encoding="utf-8"))
    looks = next(
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.AnnAssign)
        and ast.unparse(node.target) == "OUTCOMES"
        and isinstance(node.value, ast.Dict)
    )
    words = {ast.literal_eval(key): look.args[0].value for key, look in zip(looks.keys, looks.values, strict=True)}
    assert {row[0].strip("`"): row[1] for row in rows(OPERATE, "code")} == words
    assert words.keys() == {outcome.value for outcome in Outcome}


def test_every_kind_of_attempt_stands_in_the_table() -> None:
    """Each kind, and no other."""
    assert names(OPERATE, "kind of attempt") == [kind.value for kind in AttemptKind]


def test_every_metric_stands_in_the_table() -> None:
    """Each metric with its type and its labels, under the name that Prometheus reads."""
    shown = {row[0].strip("`"): (row[1], tuple(re.findall(r"`(\w+)`", row[2]))) for row in rows(RUNNING, "metric")}
    there = {}
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_labelnames"):
            suffix = "_total" if metric._type == "counter" else ""
            there[metric._name + suffix] = (metric._type, metric._labelnames)
    assert shown == there


def test_every_reason_of_a_failed_call_stands_in_the_table() -> None:
    """Each value of ``error_type``."""
    codes = {kind.code for kind in subclasses(ProviderError)} | {"invalid", "unjudged", "internal_error"}
    assert set(names(RUNNING, "`error_type`")) == codes


def test_every_log_event_stands_in_the_table() -> None:
    """Each event with its level, and each field of the line that every generation writes."""
    told: dict[str, str] = {}
    fields: set[str | None] = set()
    for path in (*ROOT.glob("core/**/*.py"), *ROOT.glob("pages/**/*.py")):
        for call in (
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log()":
                event = ast.literal_eval(call.args[0])
                told[event] = call.func.attr
                if event == "generation":
                    fields = {keyword.arg for keyword in call.keywords}
    assert {row[0].strip("`"): row[1] for row in rows(RUNNING, "event")} == told
    assert {*names(RUNNING.partition("A line of `generation`")[2], "field"), "request_id"} == fields


def test_every_chore_stands_in_the_table(tmp_path: Path) -> None:
    """Each chore with its period, who does it, what it does and what that means until it is done."""
    runtime = build(Settings(database_url=f"sqlite:///{tmp_path / 'p.db'}", local_model="off"))
    there = [
        (one.name, one.every, "one of all" if one.one_process else "each process", one.does, one.otherwise)
        for one in (status.chore for status in runtime.chores.status())
    ]
    runtime.close()
    units = {"s": timedelta(seconds=1), "h": timedelta(hours=1)}
    shown = [
        (name.strip("`"), int(every.split()[0]) * units[every.split()[1]], *rest)
        for name, every, *rest in rows(RUNNING, "chore")
    ]
    assert shown == there


def test_every_flag_stands_in_the_table() -> None:
    """Each flag, with what follows while it is off, in the console's words."""
    shown = {row[0].strip("`"): row[1] for row in rows(ADMINISTER, "flag")}
    assert shown == {flag.value: flag.meaning.off.rstrip(".") for flag in Flag}
    assert all(flag.meaning.default for flag in Flag), "the page says that all are on"


def test_every_check_and_sample_stands_in_its_table() -> None:
    """Each check of this release, and each schema that comes with it."""
    assert tuple(row[0] for row in rows(ADMINISTER, "check")) == CHECKS
    assert sorted(names(BUILD, "schema")) == sorted(path.stem for path in SAMPLES.glob("*.json"))


def commands(group: click.Group, above: str = "proctor") -> Iterator[str]:
    """Yield every command below *group*, as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}"


def test_every_command_stands_in_the_table() -> None:
    """Each command with its arguments, and its options beside it."""
    shown = {row[0].strip("`"): set(re.findall(r"`(--[\w-]+)`", row[1])) for row in rows(ADMINISTER, "command")}
    there: dict[str, set[str]] = {}
    for typed in commands(proctor):
        command: Any = proctor
        for name in typed.split()[1:]:
            command = command.commands[name]
        arguments = [
            one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)
        ]
        options = {one.opts[0] for one in command.params if isinstance(one, click.Option)} - {"--json"}
        there[" ".join([typed, *arguments])] = options
    assert shown == there


def test_every_command_that_is_mentioned_exists() -> None:
    """Whatever is written after ``proctor`` in code is a command."""
    known = set(commands(proctor))
    code = "\n".join([*re.findall(r"`([^`\n]+)`", ALL), *(block.text for path in PAGES for block in blocks(path))])
    groups = "|".join(name for name, one in proctor.commands.items() if isinstance(one, click.Group))
    mentioned = re.findall(rf"(?:^|[\s/(])proctor ((?:(?:{groups})\b)? ?[a-z]+(?:-[a-z]+)*)", code)
    assert mentioned
    for words in mentioned:
        assert f"proctor {words}" in known, words


def test_every_endpoint_stands_in_its_table(tmp_path: Path) -> None:
    """Each address of the API, and each for operations."""
    runtime = build(Settings(database_url=f"sqlite:///{tmp_path / 'p.db'}", local_model="off"))
    api = assemble(runtime)
    paths = {f"{method.upper()} /v1{path}" for path, methods in api.openapi()["paths"].items() for method in methods}
    api.state.native.close()
    runtime.close()
    assert {*names(API, "endpoint"), *names(API, "to manage")} == {*paths, "GET /v1/openapi.json"}
    assert set(names(RUNNING, "address")) == {f"GET {route.path}" for route in operations.operations(runtime)}


@pytest.mark.parametrize(
    ("after", "model"),
    [
        ("### The request", bodies.Generate),
        ("### The answer", bodies.Generation),
        ("An attempt has these fields", bodies.Attempt),
        ("## When there is no object", bodies.Problem),
        ("## What it cost", spend.SpendFigures),
        ("## Calls of your tenant", calls.ListedCall),
    ],
)
def test_every_field_stands_in_its_table(after: str, model: Any) -> None:
    """Each field of a request, an answer, an attempt and a problem."""
    there = {field.alias or name for name, field in model.model_fields.items()}
    shown = {row_name for row in rows(API.partition(after)[2], "field") for row_name in re.findall(r"`(\w+)`", row[0])}
    assert shown == there


def test_every_table_of_the_database_says_what_it_keeps() -> None:
    """What is kept where, how long and who sees it is told of each table once, and of none that is not there."""
    text = PRIVACY.read_text(encoding="utf-8")
    told = names(text, "table")

    assert sorted(told) == sorted(METADATA.tables)
    assert all(cell for row in rows(text, "table") for cell in (row[0], *row[2:]))


def test_every_field_of_the_search_stands_in_the_table() -> None:
    """With what it finds and its sample, which is read; and nothing stands there that is none."""
    shown = {re.findall(r"`([^`]+)`", row[0])[0]: row[1:] for row in rows(OPERATE, "field")}
    fields = {name + ".NAME" * (name == "metadata"): one for name, one in FIELDS.items()}
    assert shown == {name: [one.finds, f"`{one.sample}`"] for name, one in fields.items()}
