"""Amounts: what people and programs write for one is read alike at every door, and refused alike."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.amounts import written_dollars, written_number
from core.api.manage.bodies import BudgetChange, NewRaise
from core.cli.budgets import _Dollars
from core.errors import Invalid
from core.pricing import nano_usd
from core.pricing._drafts import checked
from core.settings import ROOT
from pages.prices.dialogs import tiers

NO_AMOUNTS: tuple[Any, ...] = (
    "1_000", "\u0661\u0662", "\uff11\uff12", "\u00b2", "1e400", "1e3", "1E3", "NaN", "nan", "sNaN", "Infinity", "-inf",
    "-1", "+1", "", " ", "$", "1,00", "1,0000", ",100", "1.2.3", "1.", "0x10", "1 000", "\u20ac5", "5 USD", "9" * 30,
    "much", "5\n6", float("nan"), float("inf"), 1e30, -1, True, None, [], Decimal("NaN"), Decimal("1e400"),
)  # fmt: skip
AMOUNTS = {
    "25": "25",
    "25.50": "25.5",
    "$1,200": "1200",
    " 5 ": "5",
    ".5": "0.5",
    "0": "0",
    "0.000000001": "0.000000001",
}
START = datetime(2026, 3, 4, tzinfo=UTC)


def of_prices(given: Any, **more: Any) -> dict[str, Any]:
    """Return an override as it would be kept."""
    usual: dict[str, Any] = {
        "from_at": START, "rates": None, "tiers": (), "discount_percent": None, "back_to_list": False,
        "usd_per_1000_uses": None, "reason": "so",
    }  # fmt: skip
    return checked("openai", more.pop("model", "gpt-4o-mini"), **usual | more)


PLACES: dict[str, Callable[[Any], object]] = {
    "proctor budget set, raise": lambda given: _Dollars().convert(given, None, None),
    "limit_usd of the API": lambda given: nano_usd(BudgetChange(limit_usd=given).limit_usd),
    "extra_usd of the API": lambda given: nano_usd(NewRaise(extra_usd=given, ends_at=START, reason="so").extra_usd),
    "a rate of a price": lambda given: of_prices(
        given, rates={"input_usd_per_mtok": "1", "output_usd_per_mtok": given}
    ),
    "a rate of a tier": lambda given: of_prices(
        given,
        rates={"input_usd_per_mtok": "1", "output_usd_per_mtok": "1"},
        tiers=[{"from_input_tokens": 9, "input_usd_per_mtok": "1", "output_usd_per_mtok": given}],
    ),
    "a price of a tool": lambda given: of_prices(given, model="tool:web_search", usd_per_1000_uses=given),
    "a discount": lambda given: of_prices(given, discount_percent=given),
}
"""Every place that reads an amount which somebody wrote; the pages' texts go to the same rooms."""


@pytest.mark.parametrize("given", NO_AMOUNTS, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_amount_is_refused_everywhere(place: str, given: Any) -> None:
    """With one sentence that says how to write one."""
    if place in {"a discount", "a price of a tool"} and given is None:
        return  # as much as not given
    with pytest.raises((Invalid, ValidationError, click.BadParameter)) as refused:
        PLACES[place](given)
    said = str(refused.value)
    assert any(word in said for word in ("amount", "percentage", "like 25")), said


@pytest.mark.parametrize(("written", "means"), AMOUNTS.items())
def test_what_is_an_amount_is_taken_everywhere(written: str, means: str) -> None:
    """To the nano-dollar."""
    assert written_dollars(written) == Decimal(means)
    for place in list(PLACES)[:3]:
        assert PLACES[place](written) == nano_usd(Decimal(means))


@given(st.decimals(0, 10**15, allow_nan=False, places=9))
def test_a_number_is_read_as_it_was_written(number: Decimal) -> None:
    """Whether as text, with commas between thousands, or as a number."""
    assert written_number(f"{number:f}") == written_number(f"{number:,f}") == written_number(number) == number
    assert written_number(float(number)) is not None


def test_above_how_many_tokens_a_tier_begins_is_written_with_digits() -> None:
    """What a person types is no number in another script's digits or with ``_``; the core then says what is."""
    from pages.kit.frames import pd

    table = pd.DataFrame({"from_input_tokens": ["200,000", "\u0662", "1_0"]})
    assert [one["from_input_tokens"] for one in tiers(table)] == [200_000, "\u0662", "1_0"]


def test_nobody_else_reads_numbers() -> None:
    """A door or a page that makes a decimal of a text would have rules of its own."""
    for path in [
        *(ROOT / "core/cli").rglob("*.py"),
        *(ROOT / "core/api").rglob("*.py"),
        *(ROOT / "pages").rglob("*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Decimal":
                assert path.name == "_figures.py", path
