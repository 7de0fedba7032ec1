"""Spend, statements and forecasts as JSON documents: alike from the API and from the command line."""

from __future__ import annotations

from typing import Any

from core.pricing import usd
from core.reports.forecast import INTERVAL, Backtest, Forecast
from core.reports.measures import CallFigures
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
        **figures_document(found.total),
        "by_model": [{"model": line.key} | figures_document(line.figures) for line in found.models],
        "by_schema": [_schema(line) | figures_document(line.figures) for line in found.schemas],
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
        **figures_document(bill.total),
        "charged_nano_usd": bill.charged_nano_usd,
        "outside_nano_usd": bill.outside_nano_usd,
        "difference_nano_usd": bill.difference_nano_usd,
        "by_model": [{"model": line.key} | figures_document(line.figures) for line in bill.models],
        "by_schema": [_schema(line) | figures_document(line.figures) for line in bill.schemas],
        "by_tier": [
            {"tier": tier or "standard", "region": region or None} | figures_document(line.figures)
            for line in bill.tiers
            for tier, region in [line.names]
        ],
    }


def forecast_document(tenant: str, coming: Forecast | None) -> dict[str, Any]:
    """Return how a tenant's month will probably end; of one that is still to be made, that it is."""
    if coming is None:
        return {"tenant": tenant, "as_of": None, "expected_nano_usd": None}
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


def figures_document(figures: CallFigures) -> dict[str, Any]:
    """Return sums of calls and attempts; money in nano-dollars, the spend in dollars as well."""
    return {
        "calls": figures.calls,
        "valid_objects": figures.valid,
        "attempts": figures.attempts,
        "discarded_attempts": figures.discarded_attempts,
        "spend_usd": usd(figures.spend),
        "spend_nano_usd": figures.spend,
        "useful_nano_usd": figures.useful,
        "discarded_nano_usd": figures.discarded,
        "cost_per_valid_nano_usd": figures.cost_per_valid,
        "unpriced_calls": figures.unpriced_calls,
        "unpriced_attempts": figures.unpriced_attempts,
        "estimated_attempts": figures.estimated_attempts,
        "estimated_nano_usd": figures.estimated_spent,
        "usage": {
            "input_tokens": figures.input_tokens,
            "cached_tokens": figures.cached_tokens,
            "cache_write_tokens": figures.cache_write_tokens,
            "output_tokens": figures.output_tokens,
            "reasoning_tokens": figures.reasoning_tokens,
        },
        "cache_saved_nano_usd": figures.cache_saved,
        "answers_given_again": figures.answers,
        "answers_saved_nano_usd": figures.answers_saved,
    }


def _schema(line: Line) -> dict[str, Any]:
    name, version = line.names
    return {"schema": name, "schema_version": version}
