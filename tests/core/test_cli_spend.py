"""Spend on the command line: what it says to people, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from core.cli import main
from core.clock import ManualClock
from core.outlooks import Outlooks
from core.store import Store
from core.tables import Outcome
from tests import builders
from tests.core.test_spend import ELSEWHERE, INVALID, call

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
CENT = 10_000_000

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def proctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Run ``proctor`` where Acme has a call that was asked again and one without a price, an hour ago."""
    store = Store(sqlite_url)
    at = NOW - timedelta(seconds=30)
    builders.save(
        store,
        builders.tenant("Acme", NOW - timedelta(days=50)),
        builders.tenant("Quiet", NOW - timedelta(days=50)),
        call(Outcome.VALID_AFTER_REASK, INVALID | {"cost_nano_usd": CENT}, {"cost_nano_usd": 2 * CENT}, at=at),
        call(Outcome.VALID_FIRST_TRY, ELSEWHERE | {"cost_nano_usd": None}, at=at),
    )
    store.close()
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["spend", *arguments])
        return (code, *capsys.readouterr())

    return run


def test_show(proctor: Run) -> None:
    """The sum, what it bought, what was thrown away and what it does not hold are said in a sentence, then by cuts."""
    code, out, _ = proctor("show", "Acme", "--last", "24h")
    assert code == 0
    assert "$0.0300 for 2 calls, 1 call unpriced" in out
    assert "$0.0100 went to attempts that were thrown away: 1." in out
    assert "openai/gpt-4o-mini" in out
    assert "unpriced" in out
    _, document, _ = proctor("show", "Acme", "--json")
    assert json.loads(document)["spend_nano_usd"] == 3 * CENT


def test_statement(proctor: Run) -> None:
    """The bill names tenant, month, what has no price and what the ledger holds; its CSV adds up."""
    code, out, _ = proctor("statement", "Acme")
    assert code == 0
    assert f"Statement of Acme for {NOW:%Y-%m} (UTC, so far)" in out
    assert "anthropic/claude-haiku-4-5 (1 attempt)" in out
    assert "$0.00 charged to the budget, $0.0300 spent without one" in out
    _, text, _ = proctor("statement", "Acme", "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    parts = {
        part: sum(int(row["spend_nano_usd"] or 0) for row in rows if row["part"] == part) for part in ("total", "model")
    }
    assert parts == {"total": 3 * CENT, "model": 3 * CENT}
    _, document, _ = proctor("statement", "Acme", "--json", "--month", f"{NOW:%Y-%m}")
    assert json.loads(document)["outside_nano_usd"] == 3 * CENT


def test_forecast(proctor: Run, sqlite_url: str) -> None:
    """While none was made it says who makes it; with too little to say it says so, and how much it needs."""
    assert "a running Proctor makes it within some minutes" in proctor("forecast", "Acme")[1]
    _, document, _ = proctor("forecast", "Acme", "--json")
    assert (json.loads(document)["tenant"], json.loads(document)["as_of"]) == ("Acme", None)
    store = Store(sqlite_url)
    Outlooks(store, ManualClock(NOW)).make()
    store.close()
    for tenant, so_far in (("Acme", "$0.0300"), ("Quiet", "$0.00")):
        code, out, _ = proctor("forecast", tenant)
        assert code == 0
        assert f"{tenant} has spent {so_far} in" in out
        assert "A forecast needs 5 whole days of calls; there are 0." in out
        assert f"As of {NOW:%Y-%m-%d %H:%M} UTC." in out
    _, document, _ = proctor("forecast", "Acme", "--json")
    told = json.loads(document)
    assert (told["expected_nano_usd"], [test["forecasts"] for test in told["backtests"]]) == (None, [0, 0])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "Nobody"), 1, "There is no tenant 'Nobody'"),
        (("show", "Acme", "--last", "soon"), 2, "no length of time"),
        (("show", "Acme", "--last", "0d"), 2, "no length of time"),
        (("statement", "Acme", "--month", "2026-13"), 1, "is no month"),
        (("statement", "Acme", "--month", "9000-01"), 1, "has not begun"),
        (("forecast", "Nobody"), 1, "There is no tenant 'Nobody'"),
    ],
)
def test_refusals(proctor: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    """What cannot be shown is refused with a sentence and an exit code."""
    ended, out, err = proctor(*arguments)
    assert (ended, out) == (code, "")
    assert said in err
