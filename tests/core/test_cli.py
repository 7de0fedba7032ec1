"""The command line, from its arguments to its exit code: what it writes where, and what it never writes."""

from __future__ import annotations

import getpass
import io
import json
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from sqlmodel import select

from core.claims import CHORE, Claims, Lease
from core.cli import main
from core.cli import proctor as every_command
from core.cli._figures import usd
from core.cli.tenants import tenant_group
from core.clock import SystemClock
from core.store import Store
from core.tables import METADATA, Account, AuditEntry
from core.tenants import RULES
from tests.servers import free_port
from tests.wire.guards import GuardServer
from tests.wire.server import WireServer

TICKET = "support_ticket"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What standard output holds, as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """What standard error holds, as JSON."""
        assert self.out == ""
        return json.loads(self.err)


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """A fake of the providers, over real HTTP."""
    with WireServer() as server:
        yield server


@pytest.fixture
def unmigrated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run ``proctor`` on a database that is not there yet, with nobody to answer."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    monkeypatch.setenv("LOCAL_MODEL", "off")
    monkeypatch.setenv("ANSWER_WORKERS", "0")  # doctor need not start one each time

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(arguments)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def proctor(unmigrated: Run, monkeypatch: pytest.MonkeyPatch, sqlite_url: str, wire: WireServer) -> Run:
    """Run ``proctor`` on a migrated database of the test's own, with the fake as its provider."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("OPENAI_BASE_URL", wire.openai_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-the-command-line")
    return unmigrated


@pytest.fixture
def acme(proctor: Run) -> Run:
    """Run ``proctor`` where the tenant Acme and the sample schemas are."""
    assert proctor("migrate").code == 0
    assert proctor("tenant", "create", "Acme").code == 0
    return proctor


def _everything_kept(url: str) -> str:
    store = Store(url)
    try:
        with store.snapshot() as connection:
            return "\n".join(str(row) for table in METADATA.sorted_tables for row in connection.execute(table.select()))
    finally:
        store.close()


# ── The form of every command ─────────────────────────────────────────────────────────────────────────────────────────


def test_help_loads_nothing_heavy() -> None:
    """Whoever asks for help waits for no database, no SDK and no data frames; who serves calls for no data frames."""
    code = (
        "import sys; from core.cli import main; main(['--help']); main(['budget', 'set', '--help']);"
        "heavy = {'sqlalchemy', 'openai', 'anthropic', 'instructor', 'pandas', 'streamlit', 'pydantic_settings'};"
        "loaded = heavy & set(sys.modules); import core.api.assembly, core.runtime;"
        "loaded |= {'numpy', 'pandas', 'pypdf', 'streamlit', 'clickhouse_connect'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(loaded)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "tenant" in ended.stdout


def _options(group: click.Group, above: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield every command as it is typed, with its options."""
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from _options(one, f"{above}{name} ")
        else:
            yield f"{above}{name}", {word for parameter in one.params for word in parameter.opts}


COMMANDS = list(_options(every_command))
WITHOUT_REASON = {
    "analytics rebuild": "a copy is made anew, and no figure changes",
    "analytics stop": "the settings decide it",
    "bench fill": "it makes a database to measure, which nobody decides by",
    "change": "its words are the reason",
    "demo": "the demo world is nobody's decision",
    "generate": "a call is none",
    "migrate": "a release decides it",
    "partition": "tables are cut otherwise, and no figure changes",
    "payload key": "it makes what nobody uses until a setting says it",
    "serve": "it decides nothing",
    "user first-owner": "whoever comes by it is told himself",
    "user sessions": "it shows",
}
"""Commands that take no reason though their names do not say that they show or check something, and why."""
SHOWING = {"list", "show", "find", "check", "diff", "versions", "repricings", "unpriced", "forecast", "statement"}
SHOWING |= {"checks", "export", "verify", "doctor", "erasures", "panels", "status", "compare"}
CHANGING = [path for path, _ in COMMANDS if path.split()[-1] not in SHOWING and path not in WITHOUT_REASON]


def test_every_command_that_changes_something_takes_a_reason() -> None:
    """One table of all there are: each shows, says why it takes none, or is told why by ``--reason``."""
    taking = {path for path, options in COMMANDS if "--reason" in options}
    assert taking == set(CHANGING)
    assert set(WITHOUT_REASON) <= {path for path, _ in COMMANDS}


def test_the_command_line_knows_every_rule_of_a_tenant() -> None:
    """It writes them out, with the words that each takes."""
    words = {
        one.name: set(one.type.choices) - {"default"}
        for one in tenant_group.commands["edit"].params
        if one.name in RULES
    }
    assert words == {name: set(choices) for name, (_, choices) in RULES.items()}


@pytest.mark.parametrize(
    "command",
    [
        ["tenant", "create", "Globex"],
        ["tenant", "list"],
        ["key", "create", "Acme"],
        ["key", "list", "Acme"],
        ["budget", "set", "Acme", "5"],
        ["schema", "list"],
        ["generate", TICKET, "The printer is on fire."],
        ["generate", TICKET, "The printer is on fire.", "--stream"],
        ["demo", "--remove"],
        ["migrate"],
        ["verify"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_with_json_standard_output_is_one_document(acme: Run, command: list[str]) -> None:
    """A script can read what any command says, and nothing else is in its way."""
    ended = acme(*command, "--json")

    assert ended.code == 0
    assert isinstance(ended.document, dict)
    assert ended.err == ""


def test_a_refusal_is_one_sentence_or_one_document(acme: Run) -> None:
    """People get a sentence, scripts a code and the same sentence; both get exit code 1."""
    spoken, written = acme("key", "create", "Acne"), acme("key", "create", "Acne", "--json")

    assert spoken == Ended(1, "", "There is no tenant 'Acne'. Did you mean Acme?\n")
    assert written.code == 1
    assert written.error == {"code": "not_found", "detail": "There is no tenant 'Acne'. Did you mean Acme?"}


@pytest.mark.parametrize(
    "command", [["budget", "set", "Acme", "lots"], ["tenant", "creat"], ["generate", TICKET], ["verify", "--quick"]]
)
def test_wrong_usage_is_exit_code_2(acme: Run, command: list[str]) -> None:
    """A command that was written wrong is told apart from one that was refused."""
    spoken, written = acme(*command), acme(*command, "--json")

    assert (spoken.code, spoken.out) == (2, "")
    assert spoken.err.splitlines()[-1].startswith("Error: ")
    assert written.code == 2
    assert written.error["code"] == "usage"


@pytest.mark.parametrize("command", ["serve", "doctor", "migrate", "verify"])
def test_a_bad_setting_is_one_sentence_and_exit_code_2(
    proctor: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The sentence names the variable, and never its value."""
    monkeypatch.setenv("REDIS_URL", "secret-looking-thing")

    ended = proctor(command)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "REDIS_URL is not usable: it must start with redis://, rediss:// or unix://.\n"
    assert proctor(command, "--json").error["code"] == "misconfigured"


def test_a_database_without_tables_is_told_how_to_get_them(unmigrated: Run) -> None:
    """Before the first migration every command says what to run; after it, it works."""
    before = unmigrated("tenant", "list")
    assert unmigrated("migrate").code == 0
    after = unmigrated("tenant", "list")

    assert (before.code, before.out) == (1, "")
    assert "Run 'proctor migrate'" in before.err
    assert len(before.err.splitlines()) == 1
    assert after.code == 0


def test_a_database_out_of_reach_is_one_sentence(unmigrated: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an unwritable folder nor a dead server ends in a traceback, and no password is shown."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:////proc/none/proctor.db")
    unwritable = unmigrated("tenant", "list")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/proctor")
    unreachable = unmigrated("tenant", "list")

    for ended in (unwritable, unreachable):
        assert (ended.code, ended.out) == (1, "")
        assert len(ended.err.splitlines()) == 1
    assert "hunter2" not in unreachable.err


# ── Tenants, keys, budgets ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_tenant_is_created_and_listed(proctor: Run) -> None:
    """What was given is what is listed, to people and to scripts."""
    made = proctor("tenant", "create", "Acme", "--timezone", "asia/kathmandu", "--rate-limit", "60")

    (listed,) = proctor("tenant", "list", "--json").document["tenants"]
    assert made.code == 0
    assert (listed["name"], listed["timezone"], listed["rate_limit_per_min"]) == ("Acme", "Asia/Kathmandu", 60)
    assert proctor("tenant", "list").out.splitlines()[1].split()[:3] == ["Acme", "Asia/Kathmandu", "60"]


def test_an_empty_list_says_what_to_do(proctor: Run) -> None:
    """Nothing there is not nothing to say."""
    assert "proctor tenant create" in proctor("tenant", "list").out
    assert proctor("tenant", "list", "--json").document == {"tenants": []}


def test_a_key_is_shown_once_and_kept_nowhere(acme: Run, sqlite_url: str) -> None:
    """Standard output is the key alone, so that it can be piped; the database and every later list are without it."""
    made = acme("key", "create", "Acme", "--name", "billing")

    secret = made.out.strip()
    assert secret.startswith("proctor_")
    assert len(secret) == 46
    assert secret not in made.err
    assert secret not in _everything_kept(sqlite_url)
    assert secret not in acme("key", "list", "Acme").out + acme("key", "list", "Acme", "--json").out
    assert acme("key", "list", "Acme").out.splitlines()[1].split()[:2] == [f"{secret[:14]}…", "billing"]


def test_a_key_is_revoked_by_what_the_list_shows(acme: Run) -> None:
    """The characters of the list name the key; a second time there is nothing to revoke."""
    prefix = acme("key", "create", "Acme", "--json").document["prefix"]

    assert acme("key", "revoke", f"{prefix}…").code == 0
    assert "revoked" in acme("key", "list", "Acme").out
    assert acme("key", "revoke", prefix, "--json").error["code"] == "conflict"


@pytest.mark.parametrize(
    ("written", "nano"),
    [("5", 5 * 10**9), ("5.50", 55 * 10**8), ("$1,200", 1200 * 10**9), ("0", 0), ("0.000000001", 1)],
)
def test_a_budget_is_set_to_the_nano_dollar(acme: Run, written: str, nano: int) -> None:
    """Dollars may be written as people write them; no float comes near them."""
    assert acme("budget", "set", "Acme", written).code == 0

    shown = acme("budget", "show", "Acme", "--json").document
    assert (shown["limit_nano_usd"], shown["spent_nano_usd"], shown["held_nano_usd"]) == (nano, 0, 0)


@pytest.mark.parametrize("written", ["1e999999", "NaN", "inf", "1e400x", "", "5 EUR"])
def test_what_is_no_amount_is_no_budget(acme: Run, written: str) -> None:
    """A typing error changes nothing."""
    assert acme("budget", "set", "Acme", "--", written).code == 2
    assert acme("budget", "set", "Acme", "--json", "--", "-5").error["code"] == "usage"
    assert acme("budget", "show", "Acme", "--json").error["code"] == "not_found"


def test_a_budget_is_told_in_a_sentence(acme: Run) -> None:
    """People read what is spent, of how much, and when it resets where the tenant lives."""
    acme("budget", "set", "Acme", "5")
    acme("generate", TICKET, "The printer is on fire.")

    sentence = acme("budget", "show", "Acme").out
    spent = acme("budget", "show", "Acme", "--json").document["spent_nano_usd"]
    assert spent > 0
    assert sentence.startswith(f"This month's budget of Acme: {usd(spent)} of $5.00 spent, ")
    assert "UTC" in sentence


def test_verify_fails_on_any_difference(acme: Run, sqlite_url: str) -> None:
    """A ledger that does not explain an account is exit code 1, with the difference to the nano-dollar."""
    acme("budget", "set", "Acme", "5")
    acme("generate", TICKET, "The printer is on fire.")
    assert acme("verify").code == 0
    store = Store(sqlite_url)
    with store.writing() as session:
        session.exec(select(Account)).one().spent_nano_usd += 7
    store.close()

    spoken, written = acme("verify"), acme("verify", "--json")

    assert (spoken.code, written.code) == (1, 1)
    assert "differ by $0.000000007" in spoken.out
    assert (written.document["ok"], written.document["difference_nano_usd"]) == (False, 7)


# ── Schemas and generations ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_schema_comes_from_json_or_from_pydantic(acme: Run, tmp_path: Path) -> None:
    """Both forms of the same model are registered, and the newest answers to the bare name."""
    body = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    as_json, as_source = tmp_path / "place.json", tmp_path / "place.py"
    as_json.write_text(json.dumps(body), encoding="utf-8")
    as_source.write_text(
        "from pydantic import BaseModel\n\n\nclass Place(BaseModel):\n    city: str\n    country: str\n",
        encoding="utf-8",
    )

    first = acme("schema", "add", "place", str(as_json), "--description", "Where it is.", "--json").document
    second = acme("schema", "add", "place", str(as_source), "--json").document

    assert (first["version"], second["version"]) == (1, 2)
    assert {(form["provider"], form["mode"]) for form in first["forms"] if form["is_enforced"]} >= {
        ("openai", "json_schema"),
        ("anthropic", "json_schema"),
    }
    assert set(acme("generate", "place", "Linz, Austria", "--json").document["value"]) == {"city", "country"}
    assert "place" in acme("schema", "list").out


def test_adding_a_schema_says_what_is_checked_by_whom(acme: Run, tmp_path: Path) -> None:
    """What a vendor does not check while it writes, or goes out otherwise, is named; the rest is one line."""
    body = {
        "type": "object",
        "properties": {
            "Account Number": {"type": "string", "format": "uri"},
            "more": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    lines = acme("schema", "add", "account", str(file)).out.splitlines()

    [strict] = [line for line in lines if line.startswith("openai")]
    assert strict.split(maxsplit=2)[1:] == ["json_schema", "no: $.more takes further properties"]
    assert any("sent as tools: $.more takes further" in line for line in lines)
    assert any("named 'Account Number' as 'Account_Number'" in line for line in lines)
    assert "Proctor checks the whole object in every mode." in lines[-1]


def test_a_source_with_validators_says_what_is_left_out(acme: Run, tmp_path: Path) -> None:
    """What is not checked here is told to people in one sentence, and to programs as kind, name and line."""
    source = tmp_path / "person.py"
    source.write_text(
        "from pydantic import BaseModel, field_validator\n\n\nclass Person(BaseModel):\n    age: int\n\n"
        "    @field_validator('age')\n    def check_age(cls, value):\n        return value\n",
        encoding="utf-8",
    )
    assert "Left out: 1 validator (Person.check_age)." in acme("schema", "add", "person", str(source)).out
    document = acme("schema", "add", "person", str(source), "--json").document
    assert document["root"] == "Person"
    assert document["left_out"] == [{"kind": "validator", "name": "Person.check_age", "line": 8}]


def test_of_several_models_one_is_chosen(acme: Run, tmp_path: Path) -> None:
    """A source with several roots is read as the one that is named; without a name all are listed."""
    source = tmp_path / "two.py"
    source.write_text(
        "class Cat(BaseModel):\n    lives: int\n\nclass Dog(BaseModel):\n    name: str\n", encoding="utf-8"
    )
    refused = acme("schema", "add", "pet", str(source))
    assert refused.err.strip().endswith("has several models; say which with --root: Cat, Dog.")
    assert acme("schema", "add", "pet", str(source), "--root", "Cat", "--json").document["root"] == "Cat"
    assert "it has Cat, Dog" in acme("schema", "add", "pet", str(source), "--root", "Cow").err
    as_json = tmp_path / "pet.json"
    as_json.write_text('{"type": "object"}', encoding="utf-8")
    assert "leave out --root" in acme("schema", "add", "pet", str(as_json), "--root", "Cat").err


def test_a_document_s_schema_is_chosen_and_told(acme: Run, tmp_path: Path) -> None:
    """Of a document with several schemas one is named; what was read in another way than written is told."""
    document = tmp_path / "api.json"
    document.write_text(
        '{"openapi": "3.0.3", "components": {"schemas": {'
        '"Cat": {"type": "object", "properties": {"lives": {"type": "integer", "nullable": true}}},'
        '"Dog": {"type": "object"}}}}',
        encoding="utf-8",
    )
    refused = acme("schema", "add", "cat", str(document))
    assert refused.err.strip().endswith("has several schemas; say which with --root: Cat, Dog.")
    added = acme("schema", "add", "cat", str(document), "--root", "Cat", "--json").document
    assert [note["kind"] for note in added["notes"]] == ["envelope", "dialect"]
    assert "is read as the further type 'null'" in acme("schema", "add", "cat", str(document), "--root", "Cat").out
    document.write_text('{\n "type": "object",\n "requierd": ["a"]}', encoding="utf-8")
    assert "Line 3: the schema's $.requierd is no keyword" in acme("schema", "add", "cat", str(document)).err


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[" * 200_000, "nests too deep"),
        ("a.json", '{"maximum": ' + "9" * 6_000 + "}", "too many digits"),
        ("a.json", "[1]", "that is an object"),
        ("a.json", '{"type": "nonsense"}', "type"),
        ("a.py", "import os\nos.system('touch /tmp/x')\n", ""),
    ],
)
def test_a_file_that_is_no_schema_is_refused(acme: Run, tmp_path: Path, file: str, text: str, says: str) -> None:
    """The sentence says what is wrong with the file; nothing of it is run or kept."""
    (tmp_path / file).write_text(text, encoding="utf-8")

    ended = acme("schema", "add", "bad", str(tmp_path / file))

    assert (ended.code, ended.out) == (1, "")
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "bad" not in acme("schema", "list").out


def test_a_generation_writes_the_object_alone(acme: Run, wire: WireServer) -> None:
    """The object goes to standard output and the figures beside it, and every call was billed as recorded."""
    del wire
    ended = acme("generate", TICKET, "The printer is on fire.")

    value = json.loads(ended.out)
    assert ended.code == 0
    assert set(value) == {"summary", "category", "priority", "sentiment", "needs_human"}
    assert "valid_first_try · openai/gpt-4o-mini · 1 attempt · " in ended.err


def test_the_input_may_be_text_a_file_or_standard_input(
    acme: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whichever way it comes, the model reads it: the scenario in it is played."""
    said = 'A ticket. <<{"summary": "From here"}>>'
    (tmp_path / "mail.txt").write_text(said.replace("here", "file"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("x [[refused]]"))

    piped = acme("generate", TICKET, "-", "--json")
    file = acme("generate", TICKET, f"@{tmp_path / 'mail.txt'}", "--json")
    missing = acme("generate", TICKET, "@nowhere.txt")

    assert piped.error["outcome"] == "refused"
    assert file.error["outcome"] == "invalid"
    assert (missing.code, missing.err) == (1, "nowhere.txt cannot be read: No such file or directory.\n")


def test_a_stream_writes_each_partial_object_and_then_the_whole(acme: Run) -> None:
    """One line per partial object, each a beginning of the next; the last document is the valid one."""
    ended = acme("generate", TICKET, "The printer is on fire. [[slow-stream]]", "--stream")

    lines = ended.out.splitlines()
    whole = json.loads("\n".join(lines[lines.index("{") :]))
    partials = [json.loads(line) for line in lines[: lines.index("{")]]
    assert len(partials) > 1
    assert all(set(partial) <= set(whole) for partial in partials)
    assert [len(partial) for partial in partials] == sorted(len(partial) for partial in partials)


def test_a_failed_generation_tells_its_trace_and_never_an_answer(acme: Run) -> None:
    """The document has outcome, generation, trace and what each attempt cost; neither prompt nor answer nor key."""
    prompt = 'canary-prompt <<{"summary": 5, "category": "canary-answer"}>>'
    ended = acme("generate", TICKET, prompt, "--json")

    assert ended.code == 1
    assert (ended.error["code"], ended.error["outcome"], len(ended.error["attempts"])) == ("exhausted", "invalid", 3)
    assert ended.error["trace"]
    assert ended.error["generation_id"]
    assert ended.error["cost_nano_usd"] == sum(one["cost_nano_usd"] for one in ended.error["attempts"]) > 0
    for canary in ("canary-prompt", "canary-answer", "sk-canary"):
        assert canary not in ended.err


def test_who_pays_is_never_guessed(proctor: Run) -> None:
    """Without a tenant, or with several, the command says what is missing and calls nobody."""
    proctor("migrate")
    nobody = proctor("generate", TICKET, "x", "--json").error
    proctor("tenant", "create", "Acme")
    proctor("tenant", "create", "Globex")
    several = proctor("generate", TICKET, "x", "--json").error
    chosen = proctor("generate", TICKET, "x", "--tenant", "globex", "--json")

    assert "proctor tenant create" in nobody["detail"]
    assert "--tenant: Acme, Globex" in several["detail"]
    assert chosen.code == 0


def test_one_model_can_be_asked_instead_of_a_route(acme: Run) -> None:
    """The model that was named answers; one whose provider nobody knows is refused in a sentence."""
    named = acme("generate", TICKET, "x", "--model", "gpt-4.1-mini", "--json")
    unknown = acme("generate", TICKET, "x", "--model", "mystery-9", "--json")

    assert named.document["model"] == "openai/gpt-4.1-mini"
    assert unknown.error["code"] == "invalid"


# ── The deployment ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_migrating_twice_changes_nothing(unmigrated: Run) -> None:
    """The first time brings the tables and the samples, the second finds them there."""
    first, second = unmigrated("migrate", "--json").document, unmigrated("migrate", "--json").document

    assert first["changed"]
    assert TICKET in first["schemas_added"]
    assert (second["changed"], second["schemas_added"]) == (False, [])


def test_the_demo_world_takes_no_name_of_ours(acme: Run) -> None:
    """Where a tenant has a name that the demo world needs, nothing is made and the reason is told."""
    acme("tenant", "create", "Namuna Travels")

    ended = acme("demo", "--json")

    assert ended.error["code"] == "conflict"
    assert len(acme("tenant", "list", "--json").document["tenants"]) == 2
    assert acme("demo", "--remove").out == "There was no demo world.\n"


def _checks(ended: Ended) -> dict[str, str]:
    return {check["part"]: check["health"] for check in ended.document["checks"]}


def test_a_deployment_in_order_has_nothing_failed(acme: Run) -> None:
    """Every part is looked at, and exit code 0 says that all of them can work."""
    ended = acme("doctor", "--json")

    assert ended.code == 0
    assert ended.document["ok"]
    assert set(_checks(ended)) == {
        "settings",
        "network",
        "database",
        "migrations",
        "route default",
        "chores",
        "hashes",
        "seals",
        "flags",
        "openai",
        "anthropic",
        "compatible",
        "local model",
        "redis",
        "analytics",
        "workers",
        "descriptors",
    }
    assert "sk-canary" not in ended.out


@pytest.mark.parametrize(
    ("settings", "health", "says"),
    [
        ({}, "ok", "answer this machine alone"),
        ({"HOST": "192.0.2.1"}, "ok", "until there is somebody, this machine alone"),
        ({"WITHOUT_SIGN_IN": "network", "PUBLIC_URL": "https://c.example"}, "warning", "opened at https://c.example."),
    ],
)
def test_doctor_says_who_may_use_the_console(
    acme: Run, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], health: str, says: str
) -> None:
    """As long as nobody signs in, it is a warning that whoever reaches the console may use it."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    [check] = [check for check in acme("doctor", "--json").document["checks"] if check["part"] == "network"]
    assert (check["health"], says in check["sentence"]) == (health, True), check


@pytest.mark.parametrize(
    ("settings", "part", "told"),
    [
        (
            {
                "OIDC_PROVIDERS": "google",
                "OIDC_GOOGLE_CLIENT_ID": "a",
                "PUBLIC_URL": "https://c.example",
            },
            "sign-in google",
            (
                "ok",
                "it sends them back to https://c.example/oidc/google/callback. 'proctor doctor --network'",
            ),
        ),
        (
            {"SIGN_IN_HEADER": "X-User", "SIGN_IN_HEADER_FROM": "10.0.0.5"},
            "sign-in proxy",
            ("ok", "x-user says who has signed in, if it comes from 10.0.0.5/32."),
        ),
        (
            {"SIGN_IN_HEADER": "X-User", "SIGN_IN_HEADER_FROM": "10.0.0.0/8"},
            "sign-in proxy",
            ("warning", "That is whoever calls from one of 16,777,216 addresses: name the proxy's own."),
        ),
    ],
)
def test_doctor_says_who_vouches_for_people(
    acme: Run, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], part: str, told: tuple[str, str]
) -> None:
    """Each provider with the address that has to be registered there; the proxy whose header is believed."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    [check] = [check for check in acme("doctor", "--json").document["checks"] if check["part"] == part]
    assert (check["health"], told[1] in check["sentence"]) == (told[0], True), check


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("DATABASE_URL", "sqlite:////proc/none/proctor.db", "database"),
        ("MODEL_PRIMARY", "anthropic/claude-haiku-4-5", "route default"),
        ("LOCAL_MODEL", "/nowhere/model.gguf", "local model"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "redis"),
    ],
)
def test_the_doctor_finds_what_is_broken(
    acme: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, part: str
) -> None:
    """One broken part fails alone, and the exit code says that something did."""
    monkeypatch.setenv(variable, value)

    ended = acme("doctor", "--json")

    assert ended.code == 1
    assert [name for name, health in _checks(ended).items() if health == "failed"] == [part]


def test_the_doctor_misses_tables_and_providers(unmigrated: Run) -> None:
    """On a new machine without any key the doctor says what to run and what to set."""
    ended = unmigrated("doctor")

    assert ended.code == 1
    assert "There is no database at this place yet. Run 'proctor migrate'" in ended.out
    assert "set a provider's key, or LOCAL_MODEL=on" in ended.out


def test_the_doctor_names_what_is_wrong_with_a_service_that_judges(
    acme: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is asked once, and only if it may be; a rule that was removed is not spoken of."""
    monkeypatch.setenv("OUTGOING_NETWORKS", "127.0.0.1")
    with GuardServer() as server:
        server.answer = (401, b"{}")
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps({"url": f"{server.url}/judge"}))
        ours = ("guardrail", "set", "ours", "--check", "webhook", "--action", "block", "--settings", str(settings))
        assert acme(*ours).code == 0
        assert _checks(acme("doctor", "--json"))["guardrail ours"] == "ok"
        assert server.asked == []
        ended = acme("doctor", "--json", "--network")
        assert (ended.code, _checks(ended)["guardrail ours"], len(server.asked)) == (1, "failed", 1)
        assert "It does not know us (it answered 401). Look at the url of the rule" in ended.out
    monkeypatch.delenv("OUTGOING_NETWORKS")
    assert _checks(acme("doctor", "--json"))["guardrail ours"] == "failed"
    assert acme("guardrail", "remove", "ours").code == 0
    assert "guardrail ours" not in _checks(acme("doctor", "--json"))


def test_a_rule_reads_the_latest_turn_and_one_about_names_is_looked_at(
    acme: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The flag is a setting of the rule; the doctor names a rule whose pipeline is no longer there."""
    monkeypatch.setattr("core.workers._names._LIBRARY", "json")
    monkeypatch.setenv("NAME_PIPELINES", f"en={tmp_path}")
    (tmp_path / "meta.json").write_text('{"labels": {"ner": ["PERSON"]}}')
    ours = ("guardrail", "set", "ours", "--check", "names", "--action", "note", "--latest-turn", "--json")
    assert json.loads(acme(*ours).out)["settings"] == {"turns": "latest"}
    assert _checks(acme("doctor", "--json"))["guardrail ours"] == "ok"
    (tmp_path / "meta.json").unlink()
    ended = acme("doctor", "--json")
    assert (ended.code, _checks(ended)["guardrail ours"]) == (1, "failed")
    assert "is no pipeline of spaCy's" in ended.out


def test_certificates_are_taken_away_and_taken_in(acme: Run, tmp_path: Path) -> None:
    """All of them in one file, or one as it was printed, with blank lines or of none; an export is for one to read."""
    file, one = tmp_path / "all.jsonl", tmp_path / "one.json"
    for written, said in enumerate(("0 certificates were written", "1 certificate was written")):
        assert acme("erasures", "--file", str(file)).out.startswith(said)
        assert len(file.read_text().splitlines()) == written
        file.write_text(f"{file.read_text()}\n\n")
        assert acme("erase", "--again", "--certificate", str(file)).code == 0
        one.write_text(acme("erase", "ann", "--json").out)
    assert acme("erase", "--again", "--certificate", str(one), "--certificate", str(file)).code == 0
    file.chmod(0o644)
    export = ("export-user", "ann", str(file), "--tenant", "Acme")
    assert "is there already. Name another file, or write over it by --force." in acme(*export).err
    assert file.read_text().count("\n") == 3
    assert acme(*export, "--force").code == 1, "nothing is kept of her"
    assert (file.stat().st_mode & 0o777, file.read_text().count("\n")) == (0o600, 2)
    file.write_text("no")
    assert "is not JSON" in acme("erase", "--again", "--certificate", str(file)).err


def test_too_few_descriptors_are_a_warning(acme: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on open files is compared with what the calls at once need, and what to do is said."""
    hard = 4096
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, hard))
    monkeypatch.setenv("CONCURRENCY", str(hard))
    ended = acme("doctor", "--json")
    assert (ended.code, _checks(ended)["descriptors"]) == (0, "warning")
    said = acme("doctor").out
    assert f"may open {hard} files and connections; CONCURRENCY={hard} needs about {2 * hard + 100}" in said
    assert "Raise the hard limit (ulimit -Hn), or lower CONCURRENCY." in said

    monkeypatch.setenv("CONCURRENCY", "1")
    assert _checks(acme("doctor", "--json"))["descriptors"] == "ok"


def test_a_missing_fallback_is_a_warning(acme: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that can still be answered is not broken."""
    monkeypatch.setenv("MODEL_FALLBACK", "anthropic/claude-haiku-4-5")

    ended = acme("doctor", "--json")

    assert ended.code == 0
    assert _checks(ended)["route default"] == "warning"


def test_a_chore_that_failed_is_a_warning(acme: Run, sqlite_url: str) -> None:
    """What running processes left word of is told: none, when each was done, and why one was not."""
    ended = acme("doctor", "--json")
    assert (ended.code, _checks(ended)["chores"]) == (0, "ok")
    assert "None was done lately" in acme("doctor").out

    store, clock = Store(sqlite_url), SystemClock()
    with closing(Claims(store, clock)) as claims:
        for name, failures, reason in (("verify", 0, None), ("retention", 3, "The disk is full.")):
            lease = claims.claim(CHORE, name)
            assert isinstance(lease, Lease)
            lease.finish({"failures": failures, "reason": reason}, clock.now())
    store.close()

    ended = acme("doctor", "--json")
    assert (ended.code, _checks(ended)["chores"], _checks(ended)["chore retention"]) == (0, "ok", "warning")
    said = acme("doctor").out
    assert re.search(r"Last done, in UTC: verify \d\d-\d\d \d\d:\d\d\.", said)
    assert re.search(r"It failed the last time, \d{4}-.* UTC: The disk is full\.", said)


def test_a_taken_port_is_told_before_anything_starts(proctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a second one reads which port is taken and what to do, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        monkeypatch.setenv("HOST", "127.0.0.1")

        ended = proctor("serve")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"PORT {port} on 127.0.0.1 cannot be used: Address already in use.")


def test_a_schema_s_way_on_the_command_line(acme: Run, tmp_path: Path) -> None:
    """Two versions are compared, one is promoted and rolled back, a label goes, an answer is checked."""
    for number, fields in enumerate(({"city": {"type": "string"}}, {"city": {"type": ["string", "null"]}}), 1):
        (tmp_path / f"{number}.json").write_text(json.dumps({"type": "object", "properties": fields}), encoding="utf-8")
        acme("schema", "add", "place", str(tmp_path / f"{number}.json"))
    acme("generate", "place", "Linz", "--json")

    shown = acme("schema", "versions", "place").out.splitlines()
    assert (shown[0].split()[:2], shown[1].split()[:2], shown[2][0]) == (
        ["VERSION", "LABELS"],
        ["2", "production"],
        "1",
    )
    [figures] = acme("schema", "versions", "place", "--json").document["figures"]
    assert (figures["version"], figures["calls"], figures["validity"]) == (2, 1, 1.0)
    compared = acme("schema", "diff", "place", "1", "2")
    assert compared.out.splitlines()[1].split() == ["$.city", "null", "allowed", "loosens"]
    assert "Every answer that satisfied version 1 satisfies version 2" in compared.err
    assert acme("schema", "diff", "place", "1", "1").out.strip() == "They ask for the same."
    assert acme("schema", "roll-back", "place").out.strip() == "place@production is version 1 again."
    assert acme("schema", "promote", "place", "2", "--label", "next").out.strip() == "place@next is version 2 now."
    assert acme("schema", "unlabel", "place", "next").out.strip() == "place has no label next any more."
    (tmp_path / "answer.json").write_text('{"city": null}', encoding="utf-8")
    wrong, right = (acme("schema", "check", f"place@{version}", str(tmp_path / "answer.json")) for version in (1, 2))
    assert (wrong.code, right.code, right.out.strip()) == (1, 0, "It satisfies place@2.")
    assert wrong.out.splitlines()[1].split()[:2] == ["$.city", "string_type"]


def test_a_key_is_changed_rotated_found_and_revoked_by_its_text(acme: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands say what a key may, replace its text, and take one that leaked from standard input alone."""

    def piped(text: str, *command: str) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        return acme(*command)

    made = acme("key", "create", "Acme", "--json").document
    edited = acme(
        "key", "edit", made["id"], "--scope", "read", "--model", "openai/gpt-4o", "--until", "2099-01-01", "--json"
    )
    assert (edited.document["scopes"], edited.document["models"]) == (["read"], ["openai/gpt-4o"])
    assert edited.document["ends_at"].startswith("2099-01-01")
    freed = acme("key", "edit", made["id"], "--model", "none", "--until", "none", "--json").document
    assert (freed["models"], freed["ends_at"], freed["scopes"]) == ([], None, ["read"])
    rotated = acme("key", "rotate", made["id"], "--overlap", "2", "--json").document
    assert (rotated["id"], rotated["key"] == made["key"]) == (made["id"], False)
    assert acme("key", "rotate", made["id"], "--overlap", "9999", "--json").error["code"] == "invalid"
    for text in (made["key"], rotated["key"]):
        found = piped(text, "key", "find", "-", "--json")
        assert found.document["id"] == made["id"]
        assert text not in found.out
    assert "rotated" in acme("key", "find", made["id"]).out
    revoked = piped(rotated["key"], "key", "revoke", "-")
    assert revoked.code == 0
    assert rotated["key"] not in revoked.out + revoked.err
    assert piped("", "key", "find", "-").code == 1


def test_a_key_of_the_deployment_is_made_here_alone(acme: Run) -> None:
    """It is of no tenant, and listed without one; a tenant and the deployment at once are wrong usage."""
    made = acme("key", "create", "--deployment", "--name", "terraform", "--json").document
    assert made["tenant"] is None
    assert [one["id"] for one in acme("key", "list", "--json").document["keys"]] == [made["id"]]
    assert acme("key", "create", "Acme", "--deployment").code == 2
    assert acme("key", "create").code == 2
    assert acme("key", "edit", made["id"], "--scope", "generate", "--json").error["code"] == "invalid"


@pytest.mark.usefixtures("acme")
def test_a_change_says_that_it_came_from_the_command_line(sqlite_url: str) -> None:
    """With the name that the system has for the user, and the machine's."""
    store = Store(sqlite_url)
    with store.reading() as session:
        doors = {entry.door for entry in session.exec(select(AuditEntry))}
    store.close()
    assert doors == {f"the command line, as {getpass.getuser()}@{socket.gethostname()}"}
