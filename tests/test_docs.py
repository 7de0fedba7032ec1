"""What the documentation says is true: its commands run, its figures hold, its links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import reports
from core.api import bodies, sent_bodies, streams
from core.breakers import Rule
from core.budgets.terms import THRESHOLDS
from core.clock import SystemClock
from core.demo import Demo
from core.guardrails.checks import length
from core.json_schemas import DEEPEST, MOST_BYTES, MOST_NODES, MOST_PATTERNS
from core.principals import LOCAL_OPERATOR
from core.providers.weights import SMOLLM2
from core.reports.troubles import HIGH_ERROR_RATE, HIGH_USE, LEAST_ENDED
from core.requests import MOST_MESSAGES
from core.settings import ROOT, Settings
from core.store import Store
from core.tenants import Tenants
from tests import docs_runner
from tests.docs_runner import ADMINISTER, ALL, API, BUILD, GUIDES, OPERATE, PAGES, README, RUNNING
from tests.wire.server import WireServer

RULE = Rule()
BLOCKS = [block for path in PAGES for block in docs_runner.blocks(path)]


def named(value: Any) -> str:
    """Return how a test calls its parameter."""
    return value.place if isinstance(value, docs_runner.Block) else str(value.relative_to(ROOT))


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


def furnish(deployment: docs_runner.Deployment, path: Path, wire: WireServer) -> None:
    """Give a page what it takes as given: a demo world to remove, a key to call with."""
    settings = Settings(database_url=deployment.environment["DATABASE_URL"])
    store = Store(settings.database_url)
    store.migrate()
    if path == README:
        Demo(settings, store, scale=0).make(LOCAL_OPERATOR)
    if path.stem == "api":
        tenants = Tenants(store, SystemClock())
        new = tenants.create_key(LOCAL_OPERATOR, tenants.create(LOCAL_OPERATOR, "Docs"))
        anthropic = {"ANTHROPIC_API_KEY": "sk-canary", "ANTHROPIC_BASE_URL": wire.anthropic_url}
        deployment.environment |= {"PROCTOR_KEY": new.secret, **anthropic}
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
        furnish(deployment, path, wire)
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
    assert block.language in {*docs_runner.RUN, "json"} or (block.language == "nginx" and block.comment)
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


# ── The figures, the labels, the links ────────────────────────────────────────────────────────────────────────────────

FIGURES = [
    (OPERATE, f"at least {HIGH_ERROR_RATE * 100:.0f} % of its calls of the last hour"),
    (OPERATE, f"of at least {LEAST_ENDED} that ended by themselves"),
    (OPERATE, f"at least {HIGH_USE * 100:.0f} % of this period's budget"),
    (OPERATE, f"not shown below {reports.ENOUGH} calls"),
    (OPERATE, f"at most {reports.MOST_EXPORTED:,} rows"),
    (OPERATE, f"at least {RULE.least_calls} calls were made in the last minute"),
    (OPERATE, f"took {RULE.slow_seconds:.0f} seconds or longer"),
    (OPERATE, f"nine tenths of at least {RULE.answers.least} answers"),
    (OPERATE, f"up to {RULE.longest_pause_seconds / 60:.0f} minutes"),
    (OPERATE, f"after {RULE.pause_seconds:.0f} seconds it lets a probe through"),
    (ADMINISTER, f"of over {length.MOST_CHARACTERS:,} characters"),
    (ADMINISTER, f"At {THRESHOLDS[0]} and {THRESHOLDS[1]} % of the limit"),
    (BUILD, f"{MOST_BYTES // 1000} kB"),
    (BUILD, f"| {MOST_NODES} |"),
    (BUILD, f"{DEEPEST} levels"),
    (BUILD, f"| {MOST_PATTERNS} |"),
    (API, f"at most {bodies.MOST_METADATA_BYTES} bytes of JSON"),
    (API, f"may have {sent_bodies.MOST_BODY_BYTES} bytes"),
    (API, f"at most {MOST_MESSAGES}, one of them from the user"),
    (API, f"each message {length.MOST_CHARACTERS:,} characters"),
    (API, f"after {streams.KEEP_ALIVE_SECONDS:.0f} seconds without an event"),
    (API, f"{Settings().deadline_seconds:.0f} seconds unless it was changed"),
    (RUNNING, f"{Settings().drain_seconds:.0f} seconds for those under way"),
    (README.read_text(encoding="utf-8"), f"{SMOLLM2.file_bytes / 1e6:.0f} MB"),
]


@pytest.mark.parametrize(("page", "said"), FIGURES, ids=[said for _, said in FIGURES])
def test_figures_are_those_of_the_code(page: str, said: str) -> None:
    """A limit that a page states is the limit that holds."""
    assert said in re.sub(r"\s+", " ", page)


def console_texts() -> set[str]:
    """Return every text that the console's source holds, also without brackets of Markdown or tags around it."""
    texts: set[str] = set()
    for path in ROOT.glob("pages/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts |= {node.value, node.value.strip(" []"), *re.findall(r">([^<>]+)</", node.value)}
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
