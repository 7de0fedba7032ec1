"""The house stands as its page says; what import-linter cannot see is seen here."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py"])
NOT_USED = {"manager", "service", "helper", "util", "handler", "processor", "wrapper", "info", "item"}


JOURNAL = {
    "generation": "GenerationRow", "attempt": "AttemptRow", "field_error": "FieldError", "payload": "Payload",
    "ledger_entry": "LedgerEntry", "policy_snapshot": "PolicySnapshot",
}  # fmt: skip
"""The tables that only ``core/journal.py`` writes, and the classes that stand for them."""


def named(path: Path) -> str:
    """Return a path as a person writes it."""
    return str(path.relative_to(ROOT))


def layers_of(lines: list[str]) -> list[list[str]]:
    """Return each layer's modules, sorted."""
    return [sorted(name.strip() for name in line.split("|")) for line in lines]


def public_modules() -> Iterator[Path]:
    """Yield every module of the core that others may know."""
    for path in ROOT.glob("core/**/*.py"):
        parts = path.relative_to(ROOT / "core").parts
        if parts[0] != "migrations" and not path.stem.startswith("_"):
            yield path


def test_the_page_and_the_linter_give_the_same_layers() -> None:
    """The list on the architecture page is the list that import-linter checks, line by line."""
    contracts = CONFIGURATION["tool"]["importlinter"]["contracts"]
    checked = next(contract for contract in contracts if contract["type"] == "layers")
    shown = re.search(r"^Imports run down one list.*?```\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert shown
    assert layers_of(shown[1].splitlines()) == layers_of(checked["layers"])
    assert checked["exhaustive"] is True


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_names_say_what_a_thing_is(path: Path) -> None:
    """No file, class or function of ours has a name that would fit anything."""
    tree = ast.parse(path.read_text())
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    names = [path.stem, *(node.name for node in ast.walk(tree) if isinstance(node, definitions))]
    for name in names:
        words = set(re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))
        vague = {word.lower().removesuffix("s") for word in words} & NOT_USED
        assert not vague, f"{named(path)}: {name} is named after {', '.join(vague)}"


LONGEST_FILE = 400
"""Lines. Most have a third of it."""


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_is_read_at_a_sitting(path: Path) -> None:
    """No file of the core or the console has more than 400 lines: what is longer holds two nouns, and is two files."""
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


def class_names() -> dict[str, list[str]]:
    """Return where each class is defined, but for the bodies of the API: those are the wire's own names."""
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not is_body(path, node):
                found.setdefault(node.name, []).append(named(path))
    return found


def is_body(path: Path, node: ast.ClassDef) -> bool:
    """Whether a class is a body of the API: the OpenAPI document shows it by its name, which is that of what it is."""
    return path.is_relative_to(ROOT / "core" / "api") and path.stem in {"bodies", "spend"} and bool(node.bases)


STILL_SHARED: set[str] = set()
"""This list only gets shorter."""


def test_a_class_name_means_one_thing() -> None:
    """No two classes share a name, whichever rooms or pages they live in."""
    shared = {name: places for name, places in class_names().items() if len(places) > 1}
    assert shared.keys() == STILL_SHARED, shared


@pytest.mark.parametrize("path", sorted(ROOT.glob("pages/*")), ids=named)
def test_no_page_hides_a_standard_module(path: Path) -> None:
    """Streamlit puts this folder first on the path: a page named like a standard module would replace it.

    A folder of it that said it is a package would do the same to an installed one.
    """
    assert path.stem not in sys.stdlib_module_names
    assert not (path / "__init__.py").exists()


def test_every_page_is_a_folder_in_the_menu_and_on_the_page() -> None:
    """The menu names each folder that holds a page, no other, and the house's plan has it."""
    source = ast.parse((ROOT / "pages" / "_frame.py").read_text())
    entries = [node for node in ast.walk(source) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entry"]
    folders = {path.parent.name for path in ROOT.glob("pages/*/page.py")} - {"kit"}
    assert {ast.literal_eval(entry.args[1]) for entry in entries} == folders
    assert all(f"{folder}/" in PAGE for folder in folders)


def test_the_launcher_can_be_found_by_streamlit() -> None:
    """Streamlit finds the app by reading the source: it says ``app = st.App(…)``, and its script has no sibling pages/.

    A ``pages/`` folder beside the script would let a deep link run a page without the router and its guard.
    """
    launcher = ast.parse((ROOT / "app.py").read_text())
    calls = [
        node.value
        for node in ast.walk(launcher)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.targets[0]) == "app"
        and ast.unparse(node.value.func) == "st.App"
    ]
    assert len(calls) == 1
    assert re.search(r"\bpages\b.*\b_frame\.py\b", ast.unparse(calls[0].args[0])), "the script is pages/_frame.py"
    assert not (ROOT / "pages" / "pages").exists()


@pytest.mark.parametrize("path", sorted(public_modules()), ids=named)
def test_every_module_stands_on_the_page(path: Path) -> None:
    """Each module of the core, or the folder that it lives in, is in the house's plan."""
    parts = path.relative_to(ROOT / "core").parts
    place = f"{parts[0]}/" if len(parts) > 1 else parts[0]
    assert place in PAGE


def writes_to_the_journal(source: str) -> list[str]:
    """Return what in *source* writes a table of the journal: SQL, or a statement or a row made of its class."""
    tree = ast.parse(source)
    ours = {"core.tables": set(JOURNAL.values()), "core.tables._happenings": set(JOURNAL.values())}
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ours
        for alias in node.names
        if alias.name in ours[node.module]
    }
    written = re.compile(rf"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(?:{'|'.join(JOURNAL)})\b", re.IGNORECASE)
    found = [
        text[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for text in written.finditer(node.value)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            verb = ast.unparse(node.func).rpartition(".")[2]
            subject = ast.unparse(node.args[0]).rpartition(".")[2] if node.args else ""
            if verb in names or (verb in {"insert", "update", "delete", "Insert"} and subject in names):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    "source",
    [
        'cursor.execute("UPDATE attempt SET cost = 1")',
        "sql = f'delete from \\\n ledger_entry WHERE {x}'",
        "from core.tables import AttemptRow as Row\nsqlalchemy.update(Row)",
        "from core.tables import Payload\nself._insert = store.insert(Payload)",
        "from core.tables import GenerationRow\nsession.add(GenerationRow(id='x'))",
    ],
)
def test_a_second_writer_of_the_journal_would_be_seen(source: str) -> None:
    """Whichever way a module writes what happened, the next test sees it."""
    assert writes_to_the_journal(source)


@pytest.mark.parametrize("path", sorted(ROOT.glob("core/**/*.py")), ids=named)
def test_what_happened_has_one_writer(path: Path) -> None:
    """Generations, attempts, field errors, payloads and ledger entries are written in one file of the core alone."""
    if path == ROOT / "core" / "journal.py" or "migrations" in path.parts:
        return
    assert writes_to_the_journal(path.read_text()) == []


DOORS = sorted([*ROOT.glob("pages/**/*.py"), *ROOT.glob("core/api/*.py"), *ROOT.glob("core/cli/*.py")])
OF_THE_STORE = {"check", "check_writing", "condition", "revision", "is_migrated", "migrate", "close", "shape", "url"}
"""What a door may ask of the store itself: about the database, nothing of what is in it."""


@pytest.mark.parametrize("path", DOORS, ids=named)
def test_a_door_reads_through_rooms(path: Path) -> None:
    """No page, endpoint or command line reads or writes by the store: it asks a room, which asks who asks.

    But for the fill of benches, which writes a workload into a database that is measured.
    """
    tree = ast.parse(path.read_text())
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "store"
    }
    assert asked <= OF_THE_STORE
    given = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and any(ast.unparse(one).endswith(".store") for one in node.args)
    ]
    assert all(call.startswith("Workload(") for call in given)


@pytest.mark.parametrize("path", sorted(ROOT.glob("core/**/*.py")), ids=named)
def test_a_row_is_locked_in_one_way(path: Path) -> None:
    """Who locks a row to change it lets others write rows that refer to it: else decisions and charges deadlock."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    locks = [call for call in calls if ast.unparse(call.func).endswith(".with_for_update")]
    named_so = [word.value for call in calls for word in call.keywords if word.arg == "with_for_update"]
    assert all([ast.unparse(one) for one in call.keywords] == ["**FOR_CHANGE"] for call in locks)
    assert all(ast.unparse(value) == "FOR_CHANGE" for value in named_so)


@pytest.mark.parametrize("path", sorted(ROOT.glob("pages/**/*.py")), ids=named)
def test_no_caption_holds_code(path: Path) -> None:
    """Streamlit dims captions, and code in one has too little contrast to be read."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    captions = [ast.unparse(call) for call in calls if ast.unparse(call.func).endswith("caption")]
    assert not [caption for caption in captions if "code(" in caption or "`" in caption]
