"""Spend, statements and forecasts as JSON documents: alike from the API and from the command line."""

from __future__ import annotations

from typing import Any

from core.pricing import usd
from core.reports.bought import Bought
from core.reports.forecast import INTERVAL, Backtest, Forecast
from core.reports.spend import Line, Spend
from core.reports.statement import Statement


def spend_document(found: Spend, tenant: str) -> dict[str, Any]:
    """Return what one tenant's window bought."""
    return {
        "tenant": tenant,
        "timezone": found.window.zone,
        "starts_at": found.window.starts_at,
        "ends_at": found.window.ends_at,
        "as_of": found.as_of,
        **bought_document(found.total),
        "by_model": [{"model": line.key} | bought_document(line.bought) for line in found.models],
        "by_schema": [_schema(line) | bought_document(line.bought) for line in found.schemas],
        "discarded_by": [
            {
                "reason": one.reason,
                "model": one.model,
                "attempts": one.attempts,
                "nano_usd": one.nano_usd,
                "unpriced_attempts": one.unpriced,
            }
            for one in found.reasons
        ],
    }


def statement_document(bill: Statement) -> dict[str, Any]:
    """Return a tenant's bill of a month."""
    return {
        "tenant": bill.tenant,
        "timezone": bill.timezone,
        "month": bill.month,
        "starts_at": bill.starts_at,
        "ends_at": bill.ends_at,
        "as_of": bill.as_of,
        "is_open": bill.is_open,
        **bought_document(bill.total),
        "charged_nano_usd": bill.charged_nano_usd,
        "outside_nano_usd": bill.outside_nano_usd,
        "difference_nano_usd": bill.difference_nano_usd,
        "by_model": [{"model": line.key} | bought_document(line.bought) for line in bill.models],
        "by_schema": [_schema(line) | bought_document(line.bought) for line in bill.schemas],
        "by_tier": [
            {"tier": tier or "standard", "region": region or None} | bought_document(line.bought)
            for line in bill.tiers
            for tier, region in [line.names]
        ],
    }


def forecast_document(coming: Forecast) -> dict[str, Any]:
    """Return how a tenant's month will probably end."""
    return {
        "tenant": coming.tenant,
        "timezone": coming.timezone,
        "month": coming.month,
        "as_of": coming.as_of,
        "days": coming.days,
        "spent_nano_usd": coming.spent,
        "expected_nano_usd": coming.expected,
        "low_nano_usd": coming.low,
        "high_nano_usd": coming.high,
        "interval": INTERVAL,
        "limit_nano_usd": coming.budget and coming.budget.limit_nano_usd,
        "exhausts_chance": coming.exhausts_chance,
        "exhausts_on": coming.exhausts_on,
        "exhausts_from": coming.exhausts_from,
        "exhausts_until": coming.exhausts_until,
    }


def backtest_document(test: Backtest) -> dict[str, Any]:
    """Return how the forecast did on past mornings."""
    return {
        "horizon": test.horizon,
        "forecasts": test.forecasts,
        "mean_error": test.mean_error,
        "median_error": test.median_error,
        "coverage": test.coverage,
    }


def bought_document(bought: Bought) -> dict[str, Any]:
    """Return sums of calls and attempts; money in nano-dollars, the spend in dollars as well."""
    return {
        "calls": bought.calls,
        "valid_objects": bought.valid,
        "attempts": bought.attempts,
        "discarded_attempts": bought.discarded_attempts,
        "spend_usd": usd(bought.spend),
        "spend_nano_usd": bought.spend,
        "useful_nano_usd": bought.useful,
        "discarded_nano_usd": bought.discarded,
        "cost_per_valid_nano_usd": bought.cost_per_valid,
        "unpriced_calls": bought.unpriced_calls,
        "unpriced_attempts": bought.unpriced_attempts,
        "estimated_attempts": bought.estimated_attempts,
        "estimated_nano_usd": bought.estimated,
        "usage": {
            "input_tokens": bought.input_tokens,
            "cached_tokens": bought.cached_tokens,
            "cache_write_tokens": bought.cache_write_tokens,
            "output_tokens": bought.output_tokens,
            "reasoning_tokens": bought.reasoning_tokens,
        },
        "cache_saved_nano_usd": bought.cache_saved,
        "answers_given_again": bought.answers,
        "answers_saved_nano_usd": bought.answers_saved,
    }


def _schema(line: Line) -> dict[str, Any]:
    name, version = line.names
    return {"schema": name, "schema_version": version}
