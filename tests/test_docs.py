"""What the documentation says is true: its commands run, its tables are complete, its links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from core import breakers, errors, reports
from core.api import bodies, native, operations, problems, streams
from core.api.assembly import assemble
from core.api.flights import LANDING_SECONDS
from core.cli import proctor
from core.clock import SystemClock
from core.demo import Demo
from core.flags import Flag
from core.generation import _MOST_MESSAGES
from core.guardrails import Guardrails, length
from core.json_schemas import DEEPEST, MOST_BYTES, MOST_NODES, MOST_PATTERNS
from core.principals import LOCAL_OPERATOR
from core.providers import ProviderError
from core.providers._weights import SMOLLM2
from core.reports.troubles import HIGH_ERROR_RATE, HIGH_USE, LEAST_ENDED
from core.runtime import build
from core.schemas import SAMPLES
from core.settings import ROOT, Settings
from core.store import Store
from core.tables import AttemptKind, Outcome
from core.telemetry import Metrics
from core.tenants import Tenants
from tests import docs_runner
from tests.test_settings_documented import DOCUMENTED
from tests.wire.server import WireServer

README = ROOT / "README.md"
GUIDES = [README, *(ROOT / "docs" / f"{name}.md" for name in ("operate", "administer", "build", "api", "run"))]
PAGES = [*GUIDES, ROOT / "CHANGELOG.md"]
BLOCKS = [block for path in PAGES for block in docs_runner.blocks(path)]
OPERATE, ADMINISTER, BUILD, API, RUN = (path.read_text(encoding="utf-8") for path in GUIDES[1:])
ALL = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
OWN_VARIABLES = {"PROCTOR_KEY", "SLOW_KEY", "KEY_ID", "NAME_FILE"}
"""Variables of the samples themselves."""
ABSTRACT = {"error", "denied", "rejected"}
"""Codes of classes that only group others; nothing raises them."""


def named(value: Any) -> str:
    """Return how a test calls its parameter."""
    return value.place if isinstance(value, docs_runner.Block) else str(value.relative_to(ROOT))


def rows(text: str, first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is *first*, without its heading."""
    table = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"there is no table that begins with {first!r}"
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in table[1].splitlines()]


def names(text: str, first: str) -> list[str]:
    """Return what stands as code in the first column of a table."""
    return [name for row in rows(text, first) for name in re.findall(r"`([^`]+)`", row[0])]


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    """Yield *kind* and every class below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


# ── The commands ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``proctor``, ``uvicorn`` and ``python``, quick to start."""
    with docs_runner.warm(tmp_path_factory.mktemp("warm")) as folder:
        yield folder


def furnish(deployment: docs_runner.Deployment, path: Path) -> None:
    """Give a page what it takes as given: a demo world to remove, a key to call with."""
    settings = Settings(database_url=deployment.environment["DATABASE_URL"])
    store = Store(settings.database_url)
    store.migrate()
    if path == README:
        Demo(settings, store, scale=0).make()
    if path.stem == "api":
        tenants = Tenants(store, SystemClock())
        new = tenants.create_key(LOCAL_OPERATOR, tenants.create(LOCAL_OPERATOR, "Docs"))
        deployment.environment["PROCTOR_KEY"] = new.secret
    store.close()


@pytest.mark.parametrize("path", GUIDES, ids=named)
def test_commands_do_what_the_page_shows(path: Path, tmp_path: Path, programs: Path, wire: WireServer) -> None:
    """Every command of a page works, in order, and prints what the page shows."""
    providers = {
        "OPENAI_API_KEY": "sk-canary",
        "OPENAI_BASE_URL": wire.openai_url,
        "MODEL_PRIMARY": "openai/gpt-4o-mini",
        "LOCAL_MODEL": "off",
    }
    page = docs_runner.blocks(path)
    with docs_runner.deployment(tmp_path, programs, **providers) as deployment:
        furnish(deployment, path)
        deployment.serve()
        ran = deployment.play(page)
    wrong: list[str] = []
    for one in ran:
        if one.expected is None and one.code:
            wrong.append(f"{one.place} ended with {one.code}:\n{one.output}")
        elif one.expected is not None and not docs_runner.matches(one.expected, one.output):
            wrong.append(f"{one.place} $ {one.command}\nshows:\n{one.expected}\nprints:\n{one.output}")
    for block in page:
        if block.language != "json":
            continue
        above = [one for one in ran if int(one.place.rpartition(":")[2]) < block.line]
        actual = docs_runner.document(above[-1].output)
        wrong += [f"{block.place}: {one}" for one in docs_runner.differences(json.loads(block.text), actual)]
    assert not wrong, "\n\n".join(wrong)
    assert "sk-canary" not in "".join(one.output for one in ran)


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_every_sample_is_run_or_says_why_not(block: docs_runner.Block) -> None:
    """A block is of a language that is tested, and one that is not run has its reason above it."""
    assert block.language in {*docs_runner.RUN, "json"}
    assert not block.comment or re.fullmatch(r"not run: .+|stays running", block.comment)


def test_a_page_that_is_wrong_is_noticed() -> None:
    """The comparison passes what the page leaves open, and nothing else."""
    assert docs_runner.matches("a … c\n…\nend", "a b c\nmore\nand more\nend\n")
    assert docs_runner.matches("a\n…\nend", "a\nend")
    assert not docs_runner.matches("a … c", "a b d")
    assert not docs_runner.matches("a", "a\nb")
    assert not docs_runner.matches("", "b")
    assert docs_runner.differences({"n": 1, "…": "…"}, {"n": 2.5, "m": 3}) == []
    assert docs_runner.differences({"n": 1}, {"n": 2, "m": 3}) == ["$ does not show 'm'"]
    assert docs_runner.differences({"n": [{"a": 1, "b": 1}]}, {"n": [{"a": 1}]}) == ["$.n[0] has no 'b'"]
    assert docs_runner.differences({"n": "1"}, {"n": 1}) == ["$.n is int, not str"]
    assert docs_runner.differences({"code": "a"}, {"code": "b"}) == ["$.code is 'b', not 'a'"]


# ── The tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_setting_stands_in_the_table() -> None:
    """Each variable with its default, as ``.env.example`` has it, and none that is not read."""
    shown = {row[0].strip("`"): row[1].strip("`") for row in rows(RUN, "variable")}
    assert shown == DOCUMENTED


def test_every_variable_that_is_mentioned_exists() -> None:
    """A name in capitals with an underscore is a setting, or the samples' own."""
    mentioned = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", ALL))
    settings = {name.upper() for name in Settings.model_fields}
    assert mentioned - settings - {f"{name}_FILE" for name in settings} <= OWN_VARIABLES


def test_every_error_code_stands_in_the_table() -> None:
    """Each code that the API can answer with, and its status."""
    told = {
        kind.code: problems.STATUSES[kind][0] for kind in subclasses(errors.ProctorError) if kind.code not in ABSTRACT
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
        raised = re.search(r"raise (ProctorError|Denied|Rejected)\(", path.read_text(encoding="utf-8"))
        assert not raised, path


def test_every_outcome_stands_in_the_table() -> None:
    """Each outcome, with the word that the console has for it."""
    source = ast.parse((ROOT / "pages" / "_parts.py").read_text(encoding="utf-8"))
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
    shown = {row[0].strip("`"): (row[1], tuple(re.findall(r"`(\w+)`", row[2]))) for row in rows(RUN, "metric")}
    there = {}
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_labelnames"):
            suffix = "_total" if metric._type == "counter" else ""
            there[metric._name + suffix] = (metric._type, metric._labelnames)
    assert shown == there


def test_every_reason_of_a_failed_call_stands_in_the_table() -> None:
    """Each value of ``error_type``."""
    codes = {kind.code for kind in subclasses(ProviderError)} | {"invalid"}
    assert set(names(RUN, "`error_type`")) == codes


def test_every_log_event_stands_in_the_table() -> None:
    """Each event with its level, and each field of the line that every generation writes."""
    told: dict[str, str] = {}
    fields: set[str | None] = set()
    for path in ROOT.glob("core/**/*.py"):
        for call in (
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ):
            if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "log()":
                event = ast.literal_eval(call.args[0])
                told[event] = call.func.attr
                if event == "generation":
                    fields = {keyword.arg for keyword in call.keywords}
    assert {row[0].strip("`"): row[1] for row in rows(RUN, "event")} == told
    assert {*names(RUN.partition("A line of `generation`")[2], "field"), "request_id"} == fields


def test_every_flag_stands_in_the_table() -> None:
    """Each flag, with what follows while it is off, in the console's words."""
    shown = {row[0].strip("`"): row[1] for row in rows(ADMINISTER, "flag")}
    assert shown == {flag.value: flag.meaning.off.rstrip(".") for flag in Flag}
    assert all(flag.meaning.default for flag in Flag), "the page says that all are on"


def test_every_guardrail_and_sample_stands_in_its_table() -> None:
    """Each guardrail of this release, and each schema that comes with it."""
    assert [row[0] for row in rows(ADMINISTER, "guardrail")] == [one.name for one in Guardrails()._members]
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
    code = "\n".join([*re.findall(r"`([^`\n]+)`", ALL), *(block.text for block in BLOCKS)])
    mentioned = re.findall(r"(?:^|[\s/(])proctor ((?:tenant|key|budget|schema)? ?[a-z]+)", code)
    assert mentioned
    for words in mentioned:
        assert f"proctor {words}" in known, words


def test_every_endpoint_stands_in_its_table(tmp_path: Path) -> None:
    """Each address of the API, and each for operations."""
    runtime = build(Settings(database_url=f"sqlite:///{tmp_path / 'p.db'}", local_model="off"))
    api = assemble(runtime)
    paths = {f"{method.upper()} /v1{path}" for path, methods in api.openapi()["paths"].items() for method in methods}
    api.state.flights.close()
    runtime.close()
    assert set(names(API, "endpoint")) == {*paths, "GET /v1/openapi.json"}
    assert set(names(RUN, "address")) == {f"GET {route.path}" for route in operations.operations(runtime)}


@pytest.mark.parametrize(
    ("after", "model"),
    [
        ("### The request", bodies.Generate),
        ("### The answer", bodies.Generation),
        ("An attempt has these fields", bodies.Attempt),
        ("## When there is no object", bodies.Problem),
    ],
)
def test_every_field_stands_in_its_table(after: str, model: Any) -> None:
    """Each field of a request, an answer, an attempt and a problem."""
    there = {field.alias or name for name, field in model.model_fields.items()}
    shown = {row_name for row in rows(API.partition(after)[2], "field") for row_name in re.findall(r"`(\w+)`", row[0])}
    assert shown == there


# ── The figures, the labels, the links ────────────────────────────────────────────────────────────────────────────────

FIGURES = [
    (OPERATE, f"at least {HIGH_ERROR_RATE * 100:.0f} % of its calls of the last hour"),
    (OPERATE, f"of at least {LEAST_ENDED} that ended by themselves"),
    (OPERATE, f"at least {HIGH_USE * 100:.0f} % of this period's budget"),
    (OPERATE, f"not shown below {reports.ENOUGH} calls"),
    (OPERATE, f"at most {reports.MOST_EXPORTED:,} rows"),
    (OPERATE, f"at least {breakers.LEAST_CALLS} calls were made in the last minute"),
    (OPERATE, f"after {breakers.PAUSE_SECONDS:.0f} seconds it lets a probe through"),
    (ADMINISTER, f"of over {length.MOST_CHARACTERS:,} characters"),
    (BUILD, f"{MOST_BYTES // 1000} kB"),
    (BUILD, f"| {MOST_NODES} |"),
    (BUILD, f"{DEEPEST} levels"),
    (BUILD, f"| {MOST_PATTERNS} |"),
    (API, f"at most {bodies.MOST_METADATA_BYTES} bytes of JSON"),
    (API, f"may have {native.MOST_BODY_BYTES} bytes"),
    (API, f"at most {_MOST_MESSAGES}, one of them from the user"),
    (API, f"each message {length.MOST_CHARACTERS:,} characters"),
    (API, f"after {streams.KEEP_ALIVE_SECONDS:.0f} seconds without an event"),
    (API, f"{Settings().deadline_seconds:.0f} seconds unless it was changed"),
    (RUN, f"{LANDING_SECONDS:.0f} seconds for those under way"),
    (README.read_text(encoding="utf-8"), f"{SMOLLM2.file_bytes / 1e6:.0f} MB"),
]


@pytest.mark.parametrize(("page", "said"), FIGURES, ids=[said for _, said in FIGURES])
def test_figures_are_those_of_the_code(page: str, said: str) -> None:
    """A limit that a page states is the limit that holds."""
    assert said in re.sub(r"\s+", " ", page)


def console_texts() -> set[str]:
    """Return every text that the console's source holds, also without brackets of Markdown at its ends."""
    texts: set[str] = set()
    for path in ROOT.glob("pages/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts |= {node.value, node.value.strip(" []")}
    return texts


def test_labels_are_those_of_the_console() -> None:
    """What stands in italics can be read in the console: a button, a heading, a field, a page."""
    texts = console_texts()
    prose = re.sub(r"```.*?```|`[^`]*`", "", ALL, flags=re.DOTALL)
    labels = {re.sub(r"\s+", " ", label) for label in re.findall(r"(?<!\*)\*([^*\s][^*|]*?)\*(?!\*)", prose)}
    assert len(labels) > 50
    assert {label for label in labels if label not in texts} == set()


def test_every_page_of_the_console_is_explained() -> None:
    """The menu holds no page that the documentation does not name."""
    source = ast.parse((ROOT / "pages" / "_frame.py").read_text(encoding="utf-8"))
    entries = [node for node in ast.walk(source) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry"]
    assert entries
    for entry in entries:
        assert f"*{ast.literal_eval(entry.args[2])}*" in ALL


def anchors(path: Path) -> set[str]:
    """Return what a link into a page can point at, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*PAGES, ROOT / "docs" / "architecture.md"], ids=named)
def test_links_lead_somewhere(path: Path) -> None:
    """Each link between pages names a file that is there, and a heading in it; each image is there."""
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.is_file(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target} has no such heading"


def test_every_picture_is_shown() -> None:
    """No picture lies about that no page shows."""
    assert {path.name for path in (ROOT / "docs" / "img").iterdir()} == set(re.findall(r"img/([\w.-]+)", ALL))


def test_the_changelog_knows_this_release() -> None:
    """The version in pyproject.toml has its paragraph."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.search(rf"^#+ {re.escape(project['version'])}\b", PAGES[-1].read_text(encoding="utf-8"), re.MULTILINE)
    assert project["license"] in (ROOT / "LICENSE").read_text(encoding="utf-8")
