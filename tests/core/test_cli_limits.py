"""``proctor limit``: what it sets, what it shows, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from core.cli import main
from core.clock import SystemClock
from core.limits import Limits, Quota, QuotaScope
from core.shared import Shared
from core.store import Store
from core.tables import Outcome
from core.telemetry import Metrics
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


@pytest.fixture
def proctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], sqlite_url: str) -> Run:
    """Run ``proctor`` on a database where the tenant Acme is."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("LOCAL_MODEL", "off")

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = main(arguments)
        return Ended(code, *capsys.readouterr())

    assert run("tenant", "create", "Acme", "--rate-limit", "50").code == 0
    return run


def limits_in(document: dict[str, Any]) -> tuple[int | None, ...]:
    """Return the three limits."""
    return document["rate_limit_per_min"], document["tokens_per_min"], document["concurrent_limit"]


@pytest.mark.parametrize(
    ("arguments", "expected", "defaults"),
    [
        (("--rpm", "60"), (60, None, None), ["tokens_per_min", "concurrent_limit"]),
        (("--tpm", "90000", "--concurrent", "4"), (50, 90000, 4), []),
        (("--rpm", "none"), (600, None, None), ["rate_limit_per_min", "tokens_per_min", "concurrent_limit"]),
        (("--rpm", "NONE", "--tpm", "5"), (600, 5, None), ["rate_limit_per_min", "concurrent_limit"]),
    ],
)
def test_what_is_named_is_set(
    arguments: tuple[str, ...], expected: tuple[int | None, ...], defaults: list[str], proctor: Run
) -> None:
    """What is not named stays; ``none`` falls back to the deployment's default."""
    found = proctor("limit", "set", "Acme", *arguments, "--json")

    assert (found.code, found.err) == (0, "")
    assert limits_in(found.document) == expected
    assert set(defaults) <= set(found.document["defaults"])
    assert proctor("limit", "show", "acme", "--json").document == found.document


def test_the_deployment_s_defaults_are_shown(proctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold for whoever has no limit of its own."""
    monkeypatch.setenv("TOKENS_PER_MIN", "7000")
    monkeypatch.setenv("CONCURRENT_PER_TENANT", "3")
    found = proctor("limit", "show", "Acme")

    assert [line.split() for line in found.out.splitlines()[1:]] == [
        ["Acme", "generations", "per", "minute", "50", "0"],
        ["Acme", "tokens", "per", "minute", "7,000", "(default)", "0"],
        ["Acme", "generations", "in", "flight", "3", "(default)"],
    ]


def test_a_key_has_its_own(proctor: Run) -> None:
    """By id or by the characters that are shown; ``none`` takes it away; the tenant's stay as they are."""
    made = proctor("key", "create", "Acme", "--name", "nightly", "--json").document
    found = proctor(
        "limit", "set", "Acme", "--key", made["prefix"], "--rpm", "9", "--concurrent", "2", "--json"
    ).document
    [key] = found["keys"]
    assert (key["prefix"], key["name"], *limits_in(key)) == (made["prefix"], "nightly", 9, None, 2)
    assert limits_in(found) == (50, None, None)
    assert f"{made['prefix']}…  generations in flight   2" in proctor("limit", "show", "Acme").out

    found = proctor("limit", "set", "Acme", "--key", made["id"], "--rpm", "none", "--concurrent", "none", "--json")
    assert found.document["keys"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("set", "Acme"), 2, "Name what to set: --rpm, --tpm or --concurrent"),
        (("set", "Acme", "--rpm", "0"), 2, "'0' is no limit; write a whole number from 1 on, or 'none'"),
        (("set", "Acme", "--tpm", "many"), 2, "'many' is no limit"),
        (("set", "Acme", "--concurrent", "-1"), 2, "'-1' is no limit"),
        (("set", "Acme", "--tpm", "99999999999"), 1, "from 1 to 2,147,483,647"),
        (("set", "Acme", "--rpm", "5", "--key", "prk_nobody"), 1, "No live key of Acme has that id or prefix"),
        (("set", "Nobody", "--rpm", "5"), 1, "There is no tenant 'Nobody'"),
        (("show", "Nobody"), 1, "There is no tenant 'Nobody'"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], code: int, sentence: str, proctor: Run) -> None:
    """One sentence says what is wrong, and nothing is changed."""
    before = proctor("limit", "show", "Acme", "--json").document
    found = proctor("limit", *arguments)

    assert (found.code, found.out) == (code, "")
    assert sentence in " ".join(found.err.split())
    assert proctor("limit", "show", "Acme", "--json").document == before


def test_a_key_of_another_tenant_is_not_touched(proctor: Run) -> None:
    """A slip in the name must not slow down somebody else."""
    proctor("tenant", "create", "Other")
    made = proctor("key", "create", "Other", "--json").document

    assert proctor("limit", "set", "Acme", "--key", made["id"], "--rpm", "1").code == 1
    assert proctor("limit", "show", "Other", "--json").document["keys"] == []


def test_without_redis_the_use_is_what_was_written_down(proctor: Run, sqlite_url: str) -> None:
    """The last minute's generations and their tokens; refusals for being too fast did not count."""
    tenant_id = proctor("tenant", "list", "--json").document["tenants"][0]["id"]
    now, store = datetime.now(UTC), Store(sqlite_url)
    rows = [
        builders.generation(now, tenant_id, input_tokens=300, output_tokens=40),
        builders.generation(now, tenant_id, outcome=Outcome.BLOCKED_RATE, input_tokens=0, output_tokens=0),
        builders.generation(now, "another", input_tokens=300, output_tokens=40),
        builders.generation(now.replace(year=2020), tenant_id, input_tokens=300, output_tokens=40),
    ]
    builders.save(store, rows)
    store.close()

    found = proctor("limit", "show", "Acme", "--json").document
    assert found["used"] == {"requests": 1, "tokens": 340, "concurrent": None}
    assert found["counted_by"] == "record"


def test_with_redis_the_use_is_that_of_all_processes(
    proctor: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another process has let in is seen while it is in flight."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    tenant_id = proctor("tenant", "list", "--json").document["tenants"][0]["id"]
    proctor("limit", "set", "Acme", "--concurrent", "4")
    quota = Quota(QuotaScope.TENANT, tenant_id, 50, None, 4)
    with Limits(Shared(redis_url, SystemClock(), Metrics())).admitted([quota], 10, 60):
        found = proctor("limit", "show", "Acme", "--json").document

    assert found["used"] == {"requests": 1, "tokens": None, "concurrent": 1}
    assert found["counted_by"] == "redis"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--without-budget", "refuse"), {"without_budget": "refuse", "without_price": None}),
        (("--without-price", "allow"), {"without_budget": None, "without_price": "allow"}),
        (("--vendor-storage", "refused"), {"vendor_storage": "refused", "without_price": None}),
        (("--vendor-storage", "default", "--timezone", "UTC"), {"vendor_storage": None, "timezone": "UTC"}),
        (("--route", "default", "--timezone", "UTC"), {"route": None, "timezone": "UTC"}),
        (("--without-price", "default", "--retention-days", "3"), {"without_price": None, "payload_retention_days": 3}),
        (("--name", "default", "--timezone", "asia/kathmandu"), {"name": "default", "timezone": "Asia/Kathmandu"}),
    ],
)
def test_a_tenant_is_changed(arguments: tuple[str, ...], expected: dict[str, Any], proctor: Run) -> None:
    """What is named changes, what is not stays; ``default`` takes the tenant's own word back."""
    found = proctor("tenant", "edit", "Acme", *arguments, "--json")

    assert found.code == 0
    assert expected.items() <= found.document.items()
    assert found.document["rate_limit_per_min"] == 50


def test_a_change_of_nothing_says_so(proctor: Run) -> None:
    """Without an option it is a wrong usage; with what is there already nothing changes."""
    assert proctor("tenant", "edit", "Acme").code == 2
    assert proctor("tenant", "edit", "Acme", "--timezone", "UTC").out == "Tenant Acme: nothing changed.\n"
    assert proctor("tenant", "edit", "Acme", "--without-budget", "maybe").code == 2
    assert proctor("tenant", "edit", "Acme", "--timezone", "Nowhere").code == 1
