"""``proctor price``: what it shows and does, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from core.cli import main
from core.store import Store
from tests import builders


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What standard output holds, as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ended]
NOW = datetime.now(UTC)


@pytest.fixture
def price(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Run ``proctor price`` where the tenant Acme is, who called a model of its own an hour ago."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-the-prices")
    store = Store(sqlite_url)
    made = builders.generation(NOW - timedelta(hours=1), provider="compatible", model="own", cost_nano_usd=None)
    with store.writing() as session:
        session.add_all([builders.tenant("Acme", NOW), made, builders.attempt(made, cost_nano_usd=None, price=None)])
    store.close()

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(["price", *arguments])
        return Ended(code, *capsys.readouterr())

    return run


SET = ("set", "compatible/own", "--input", "2", "--output", "8", "--from", f"{NOW - timedelta(days=2):%Y-%m-%d}")
SPAN = ("--from", f"{NOW - timedelta(days=1):%Y-%m-%dT%H:%M}", "--to", f"{NOW + timedelta(days=1):%Y-%m-%d}")
REPRICE = ("reprice", "--provider", "compatible", "--model", "own", *SPAN)


def test_from_unpriced_to_priced(price: Run) -> None:
    """What has no price is listed, gets one, and then its history; each step says what comes next."""
    found = price("unpriced")
    assert found.out.splitlines()[1].split()[:4] == ["compatible/own", "1", "400", "90"]
    assert "proctor price set MODEL" in found.err
    made = price(*SET)
    assert made.code == 0
    assert made.out.startswith("compatible/own costs $2 in and $8 out per million tokens from ")
    assert "proctor price reprice" in made.err
    dry = price(*REPRICE, "--dry-run")
    assert "1 attempts would be re-priced (1 of them had no price): $0.00 before, $0.0015 after" in dry.out
    assert "Nothing was changed." in dry.err
    assert price("unpriced", "--json").document["unpriced"][0]["calls"] == 1
    done = price(*REPRICE, "--reason", "late", "--json").document
    assert (done["attempts"], done["before_nano_usd"], done["after_nano_usd"]) == (1, 0, 1_520_000)
    assert [one["tenant"] for one in done["tenants"]] == ["Acme"]
    assert price("unpriced").out == "Every call of the last 92 days that was paid for has a price.\n"
    (listed,) = price("repricings", "--json").document["repricings"]
    assert (listed["id"], listed["reason"]) == (done["repricing_id"], "late")
    one = price("repricings", listed["id"], "--json").document
    assert [(old["before_nano_usd"], old["after_nano_usd"]) for old in one["old_figures"]] == [(None, 1_520_000)]
    assert "unpriced" in price("repricings", listed["id"]).out
    assert price("repricings").out.splitlines()[1].endswith("late")


def test_the_list_shows_what_holds_and_why(price: Run) -> None:
    """The models in use with the price of today, for all or for one tenant, and every override with its state."""
    assert price("set", "openai/gpt-4o-mini", "--discount", "50%", "--tenant", "Acme").code == 0
    everyone = {one["model"]: one["price"] for one in price("list", "--json").document["prices"]}
    assert everyone["openai/gpt-4o-mini"]["input_usd_per_mtok"] == "0.15"
    assert everyone["compatible/own"] is None
    document = price("list", "--tenant", "Acme", "--json").document
    acme = {one["model"]: one["price"] for one in document["prices"]}
    assert acme["openai/gpt-4o-mini"]["input_usd_per_mtok"] == "0.075"
    (override,) = document["overrides"]
    assert (override["tenant"], override["state"], override["price"]) == (
        "Acme",
        "active",
        "50 % less than the list price",
    )
    text = price("list", "--tenant", "Acme").out
    assert "unpriced" in text
    assert "override: 50 % off genai-prices" in text


def test_an_override_is_withdrawn(price: Run) -> None:
    """By the id that the list shows; the list then says so."""
    made = price(*SET, "--tier", "200000:4:16::5", "--reason", "contract 7", "--json").document
    assert made["price"] == "$2 in and $8 out per million tokens ($4 and $16 above 200,000)"
    assert price("withdraw", made["id"]).code == 0
    (listed,) = price("list", "--json").document["overrides"]
    assert (listed["state"], listed["reason"]) == ("withdrawn", "contract 7")
    again = price("withdraw", made["id"])
    assert (again.code, again.out) == (1, "")
    assert "withdrawn already" in again.err


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("set", "mystery", "--input", "1", "--output", "1"), 1, "does not name a provider"),
        (("set", "openai/gpt-4o"), 1, "exactly one of the three"),
        (("set", "openai/gpt-4o", "--input", "1"), 1, "The output rate is an amount"),
        (("set", "openai/gpt-4o", "--list-price", "--discount", "5"), 1, "exactly one of the three"),
        (("set", "openai/gpt-4o", "--tier", "many:1:2"), 1, "is not a tier"),
        (("set", "openai/gpt-4o", "--input", "1", "--output", "1", "--from", "soon"), 2, "is not a time"),
        (("set", "openai/gpt-4o", "--discount", "5", "--tenant", "Nobody"), 1, "Nobody"),
        (("withdraw", "nothing"), 1, "There is no such override"),
        (("repricings", "nothing"), 1, "There is no re-pricing with this id"),
        (REPRICE, 1, "A re-pricing has a reason"),
        ((*REPRICE, "--reason", "x"), 1, "Nothing would change"),
    ],
)
def test_what_cannot_be_is_one_sentence(price: Run, command: tuple[str, ...], code: int, says: str) -> None:
    """On standard error, with the exit code of its kind."""
    ended = price(*command)
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
