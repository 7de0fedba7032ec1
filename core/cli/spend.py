"""What the money bought: a tenant's spend, its statement of a month, and how the month will probably end."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, table
from core.cli._figures import usd
from core.cli._operator import OPERATOR
from core.clock import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.reports import Backtest, CallFigures, Forecast, Line, Statement
    from core.runtime import Runtime

_HOURS = {"h": 1, "d": 24}


@proctor.group("spend")
def spend_group() -> None:
    """What a tenant's money bought, and what it will have cost."""


class _Length(click.ParamType[timedelta]):
    """A length of time that reaches back from now."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read ``24h`` or ``30d``."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,4})([hd])", str(value).strip())
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no length of time; write it like 24h or 30d.", param, ctx)
        return timedelta(hours=int(found[1]) * _HOURS[found[2]])


@command(spend_group, "show")
@click.argument("tenant")
@click.option("--last", type=_Length(), help="How far back, such as 24h or 30d; without it, this month so far.")
def show_spend(runtime: Runtime, tenant: str, last: timedelta | None) -> Output:
    """Show what a tenant spent, what for, and what of it was thrown away."""
    from core.reports import Window, month_around, spend_document  # noqa: PLC0415

    owner = runtime.tenants.find(OPERATOR, tenant)
    now = runtime.clock.now()
    if last is None:
        window = Window.of(month_around(owner.timezone, None, now)[0], now, owner.timezone)
    else:
        window = Window.last(last, now, owner.timezone)
    found = runtime.reports.spend(OPERATOR, window, owner.id)
    text = f"{owner.name} since {_local(window.starts_at, owner.timezone)}: {_summed_up(found.total)}"
    return Output(
        spend_document(found, owner.name),
        "\n\n".join([text, _lines("MODEL", found.models), _lines("SCHEMA", found.schemas)]),
    )


@command(spend_group, "statement")
@click.argument("tenant")
@click.option("--month", help="Such as 2026-11; without it, the month under way.")
@click.option("--csv", "as_csv", is_flag=True, help="Write every line as CSV, with exact amounts.")
def show_statement(runtime: Runtime, tenant: str, month: str | None, *, as_csv: bool) -> Output:
    """Show a tenant's bill of one month of its time zone."""
    from core.reports import csv, statement_document  # noqa: PLC0415

    owner = runtime.tenants.find(OPERATOR, tenant)
    bill = runtime.reports.statement(OPERATOR, owner.id, month)
    text = csv(bill.frame()).decode("utf-8-sig").rstrip("\n") if as_csv else _told(bill)
    return Output(statement_document(bill), text)


@command(spend_group, "forecast")
@click.argument("tenant")
def show_forecast(runtime: Runtime, tenant: str) -> Output:
    """Show how a tenant's month will probably end, and how good such forecasts were."""
    from core.reports import backtest_document, forecast_document  # noqa: PLC0415

    owner = runtime.tenants.find(OPERATOR, tenant)
    coming, tests = (
        runtime.reports.forecast(OPERATOR, owner.id),
        runtime.reports.backtests(OPERATOR, owner.id),
    )
    document = forecast_document(owner.name, coming) | {"backtests": [backtest_document(test) for test in tests]}
    if coming is None:
        return Output(
            document, f"There is no forecast of {owner.name} yet: a running Proctor makes it within some minutes."
        )
    told = [_foretold(coming), *(_tested(test) for test in tests if test.forecasts), f"As of {minute(coming.as_of)}."]
    return Output(document, "\n".join(told))


def _told(bill: Statement) -> str:
    state = "so far" if bill.is_open else "closed"
    parts = [
        f"Statement of {bill.tenant} for {bill.month} ({bill.timezone}, {state})",
        _summed_up(bill.total),
        _lines("MODEL", bill.models),
        _lines("SCHEMA", bill.schemas),
        *([_lines("TIER", bill.tiers)] if bill.tiers else []),
        (
            f"Saved: {usd(bill.total.cache_saved)} by providers' caches, {usd(bill.total.answers_saved)} by "
            f"{_many(bill.total.answers, 'answer')} from the cache."
        ),
        f"Ledger: {usd(bill.charged_nano_usd)} charged to the budget, {usd(bill.outside_nano_usd)} spent without one.",
    ]
    if bill.difference_nano_usd:
        parts.append(f"{usd(bill.difference_nano_usd)} are unexplained: run 'proctor verify'.")
    if bill.unpriced:
        named = ", ".join(f"{line.key} ({_many(line.figures.unpriced_attempts, 'attempt')})" for line in bill.unpriced)
        parts.append(f"Without a price, and not in these sums: {named}.")
    return "\n\n".join(parts)


def _summed_up(figures: CallFigures) -> str:
    beside = [
        f"{_many(figures.unpriced_calls, 'call')} unpriced" if figures.unpriced_calls else "",
        f"{usd(figures.estimated_spent)} of it estimated" if figures.estimated_attempts else "",
    ]
    named = "".join(f", {words}" for words in beside if words)
    valid = _many(figures.valid, "valid object")
    each = "" if figures.cost_per_valid is None else f", {usd(figures.cost_per_valid)} each"
    return (
        f"{usd(figures.spend)} for {_many(figures.calls, 'call')}{named}. {valid}{each}; "
        f"{usd(figures.discarded)} went to attempts that were thrown away: {figures.discarded_attempts:,}."
    )


def _lines(head: str, lines: Sequence[Line]) -> str:
    rows = [
        (
            line.key,
            f"{line.figures.calls:,}",
            f"{line.figures.valid:,}",
            f"{line.figures.attempts:,}",
            usd(line.figures.spend),
            usd(line.figures.discarded),
            "-" if line.figures.cost_per_valid is None else usd(line.figures.cost_per_valid),
        )
        for line in lines
    ]
    return table((head, "CALLS", "VALID", "ATTEMPTS", "SPENT", "THROWN AWAY", "PER VALID"), rows) if rows else ""


def _foretold(coming: Forecast) -> str:
    from core.reports import INTERVAL, LEAST_DAYS  # noqa: PLC0415

    so_far = f"{coming.tenant} has spent {usd(coming.spent)} in {coming.month} so far."
    if not coming.is_known:
        return f"{so_far} A forecast needs {LEAST_DAYS} whole days of calls; there are {coming.days}."
    said = (
        f"{so_far} It will probably end at {usd(coming.expected)}; with {INTERVAL:.0%} likelihood between "
        f"{usd(coming.low)} and {usd(coming.high)}, as its last {coming.days} days went."
    )
    if coming.budget is None:
        return said
    limit = usd(coming.budget.limit_nano_usd)
    if coming.is_exhausted:
        return f"{said} Its budget of {limit} is used up."
    if not coming.exhausts_chance:
        return f"{said} Its budget of {limit} will last until it resets."
    if coming.exhausts_on is None:
        return f"{said} Its budget of {limit} is used up before it resets with {coming.exhausts_chance:.0%} likelihood."
    return f"{said} Its budget of {limit} is probably used up on {coming.exhausts_on}."


def _tested(test: Backtest) -> str:
    ahead = "a week ahead" if test.horizon == "week" else "to the month's end or last night"
    return (
        f"Asked on past mornings {ahead}, {test.forecasts} times: half of the forecasts were less than "
        f"{test.median_error or 0:.0%} off, the mean error was {test.mean_error or 0:.0%}, and the interval held "
        f"{test.coverage or 0:.0%} of what was spent."
    )


def _local(at: Any, timezone: str) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M} ({timezone})"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
