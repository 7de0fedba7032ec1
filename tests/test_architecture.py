"""The house stands as its page says; what import-linter cannot see is seen here."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from core.settings import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text())
SOURCES = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("pages/**/*.py"), ROOT / "app.py"])
NOT_USED = {"manager", "service", "helper", "util", "handler", "processor", "wrapper", "info", "item"}


JOURNAL = {
    "generation": "GenerationRow", "attempt": "AttemptRow", "field_error": "FieldError", "payload": "Payload",
    "finding": "FindingRow", "ledger_entry": "LedgerEntry", "policy_snapshot": "PolicySnapshot",
}  # fmt: skip
"""The tables that only ``core/journal.py`` writes, and the classes that stand for them."""


@cache
def tree(path: Path) -> ast.Module:
    """Return what a file says, parsed once for all tests."""
    return ast.parse(path.read_text())


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


def names_in(path: Path) -> Iterator[str]:
    """Yield the name of a file, and of every class and function in it."""
    yield path.stem
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    yield from (node.name for node in ast.walk(tree(path)) if isinstance(node, definitions))


def vague_words(name: str) -> set[str]:
    """Return the words of a name that say nothing."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return {word.lower().removesuffix("s") for word in words} & NOT_USED


def test_names_say_what_a_thing_is() -> None:
    """No file, class or function of ours has a name that would fit anything."""
    assert vague_words("CallManager") == {"manager"}
    assert not [f"{named(path)}: {name}" for path in SOURCES for name in names_in(path) if vague_words(name)]


LONGEST_FILE = 400
"""Lines. Most have a third of it."""


def test_a_file_is_read_at_a_sitting() -> None:
    """No file of the core or the console has more than 400 lines: what is longer holds two nouns, and is two files."""
    lengths = {named(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def class_names() -> dict[str, list[str]]:
    """Return where each class is defined, but for the bodies of the API: those are the wire's own names."""
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(tree(path)):
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


def test_no_page_hides_a_standard_module() -> None:
    """Streamlit puts this folder first on the path: a page named like a standard module would replace it.

    A folder of it that said it is a package would do the same to an installed one.
    """
    assert not {path.stem for path in ROOT.glob("pages/*")} & sys.stdlib_module_names
    assert not list(ROOT.glob("pages/*/__init__.py"))


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


def test_every_module_stands_on_the_page() -> None:
    """Each module of the core, or the folder that it lives in, is in the house's plan."""
    places = [path.relative_to(ROOT / "core").parts for path in public_modules()]
    assert not {
        f"{first}/" if rest else first for first, *rest in places if (f"{first}/" if rest else first) not in PAGE
    }


def last_of(node: ast.expr) -> str:
    """Return the last name of a dotted one, and nothing of what is none."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def writes_to_the_journal(source: str) -> list[str]:
    """Return what in *source* writes a table of the journal: SQL, or a statement or a row made of its class."""
    parsed = ast.parse(source)
    ours = {"core.tables": set(JOURNAL.values()), "core.tables._happenings": set(JOURNAL.values())}
    names = {
        alias.asname or alias.name
        for node in ast.walk(parsed)
        if isinstance(node, ast.ImportFrom) and node.module in ours
        for alias in node.names
        if alias.name in ours[node.module]
    }
    written = re.compile(rf"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(?:{'|'.join(JOURNAL)})\b", re.IGNORECASE)
    found = [
        text[0]
        for node in ast.walk(parsed)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for text in written.finditer(node.value)
    ]
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call):
            verb, subject = last_of(node.func), last_of(node.args[0]) if node.args else ""
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


CORE = sorted(ROOT.glob("core/**/*.py"))


def test_what_happened_has_one_writer() -> None:
    """Generations, attempts, field errors, payloads and ledger entries are written in one file of the core alone."""
    others = [path for path in CORE if path != ROOT / "core" / "journal.py" and "migrations" not in path.parts]
    written = {named(path): writes_to_the_journal(path.read_text()) for path in others}
    assert {path: found for path, found in written.items() if found} == {}


DOORS = sorted([*ROOT.glob("pages/**/*.py"), *ROOT.glob("core/api/*.py"), *ROOT.glob("core/cli/*.py")])
OF_THE_STORE = {"check", "check_writing", "condition", "revision", "is_migrated", "migrate", "close", "shape", "url"}
OF_THE_STORE |= {"is_sqlite", "partitions"}
"""What a door may ask of the store itself: about the database, nothing of what is in it."""


def calls_in(path: Path) -> list[ast.Call]:
    """Return every call in a file."""
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]


def by_the_store(path: Path) -> Iterator[str]:
    """Yield what a door asks of the store beyond what it may, and whom it hands it to.

    But for the fill of benches, which writes a workload into a database that is measured.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and last_of(node.value) == "store" and node.attr not in OF_THE_STORE:
            yield ast.unparse(node)
    for call in calls_in(path):
        given = any(isinstance(one, ast.Attribute) and one.attr == "store" for one in call.args)
        if given and last_of(call.func) != "Workload":
            yield ast.unparse(call)


def test_a_door_reads_through_rooms() -> None:
    """No page, endpoint or command line reads or writes by the store: it asks a room, which asks who asks."""
    found = {named(path): list(by_the_store(path)) for path in DOORS}
    assert {path: asked for path, asked in found.items() if asked} == {}


def other_locks(path: Path) -> Iterator[str]:
    """Yield the calls that lock a row in another way than all."""
    for call in calls_in(path):
        if last_of(call.func) == "with_for_update" and [ast.unparse(one) for one in call.keywords] != ["**FOR_CHANGE"]:
            yield ast.unparse(call)
        for word in call.keywords:
            if word.arg == "with_for_update" and ast.unparse(word.value) != "FOR_CHANGE":
                yield ast.unparse(call)


def test_a_row_is_locked_in_one_way() -> None:
    """Who locks a row to change it lets others write rows that refer to it: else decisions and charges deadlock."""
    assert [f"{named(path)}: {call}" for path in CORE for call in other_locks(path)] == []


def test_no_caption_holds_code() -> None:
    """Streamlit dims captions, and code in one has too little contrast to be read."""
    pages = sorted(ROOT.glob("pages/**/*.py"))
    captions = [
        ast.unparse(call) for path in pages for call in calls_in(path) if last_of(call.func).endswith("caption")
    ]
    assert captions
    assert not [caption for caption in captions if "code(" in caption or "`" in caption]


OPENS = re.compile(
    r"\b(?:httpx2?\.(?:get|post|request|stream|Client|AsyncClient|HTTPTransport)|httpcore2\.\w*(?:Pool|Proxy)|OAuth2Client"
    r"|\w*ClientSession\(|DefaultAioHttpClient|urlopen|urlretrieve|http\.client|requests\.\w+|boto3|aiobotocore"
    r"|open_connection|create_connection|start_connection|socket\.socket\(|\.connect\(\(|getaddrinfo|gethostbyname)"
)
"""What resolves a name, or opens a connection or a client of HTTP."""
OF_THE_DEPLOYMENT = {
    "core/cli/_network.py": "whether the providers that the settings name are reached, for who runs this machine",
    "core/cli/deployment.py": "whether the port to listen on is free",
    "core/oidc/__init__.py": "the identity providers that the settings name",
    "core/oidc/_fetching.py": "as above",
    "core/provider_checks.py": "the providers that the settings name",
    "core/providers/_lines.py": "as above, over addresses that an SDK has worded",
    "core/providers/_wire.py": "as above, over the SDK's own client",
    "core/providers/_worded.py": "as above",
    "core/providers/llama.py": "as above",
}
"""Who else opens connections: to what an operator names in the environment, which is trusted, and to nothing else."""


def opened_in(path: Path) -> list[str]:
    """Return what in a file's code opens a connection."""
    return OPENS.findall(ast.unparse(without_docstrings(path)))


def without_docstrings(path: Path) -> ast.Module:
    """Return what a file says without the sentences in it."""
    parsed = ast.parse(path.read_text())
    for node in ast.walk(parsed):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not is_sentence(one)] or [ast.Pass()]
    return parsed


def is_sentence(node: ast.AST) -> bool:
    """Whether a statement is a text that nothing is done with."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_what_people_name_is_fetched_in_one_place() -> None:
    """Only ``core/outgoing`` opens connections to addresses that are data; each other place says whom it asks."""
    found = {named(path): opened_in(path) for path in SOURCES if path.parent != ROOT / "core" / "outgoing"}
    opening = {path: calls for path, calls in found.items() if calls}
    assert opening.keys() - OF_THE_DEPLOYMENT.keys() == set(), opening
    assert OF_THE_DEPLOYMENT.keys() - opening.keys() == set(), "it opens nothing any more"


def test_no_schema_is_fetched() -> None:
    """Whoever compiles a JSON Schema says that nothing is to be fetched for it, from a network or from a disk."""
    compiling = [
        (named(path), {one.arg: ast.unparse(one.value) for one in call.keywords})
        for path in SOURCES
        for call in calls_in(path)
        if last_of(call.func) in {"Draft202012Validator", "validator_for", "validator_cls_for"}
    ]
    assert compiling
    assert [path for path, given in compiling if given.get("offline") != "True"] == []
