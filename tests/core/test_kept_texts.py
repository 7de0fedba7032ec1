"""Every column that may hold a text: guardrails have seen it, a rule of retention ends it, or it is no content."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Boolean, Float, Integer

from core.tables import Row, UtcTime

SCREENED = "what callers and models write, as guardrails let it go on"
ENDED = "what callers and models write: screened, and deleted when the tenant's time for it is over"
OPERATORS = "written by an operator, who is named beside it; nothing of a call"
PEOPLE = "who signs in, by his own word or that of who vouches for him; gone with him"
OURS = "a word, a number or a sentence of ours"
VENDORS = "a name or a word of a vendor's"
ASKED = "a name that a caller asks for, held against what there is before it is kept"
HASHED = "a hash, from which nobody reads what it is of"
NAMED = "the name of a row"
HELD = "what a route, a schema or a policy says, as operators set it"

REASONS: dict[str, dict[str, str]] = {
    SCREENED: {
        "analytics_outbox": "model",
        "attempt": "error_detail",
        "field_error": "path message",
        "generation": "error_detail caller_metadata trace",
        "reservation": "generation attempts",
        "rollup": "detail",
        "rollup_delta": "model",
    },
    ENDED: {"payload": "asked answered", "claim": "result"},
    OPERATORS: {
        "api_key": "name",
        "audit_entry": "actor door subject summary reason before after",
        "breaker_override": "reason actor",
        "budget_raise": "reason actor",
        "change_event": "subject summary before after",
        "erasure": "actor",
        "fire_drill": "reason actor",
        "finding": "guardrail",
        "flag_rule": "changed_by reason",
        "guardrail_rule": "name route settings exceptions",
        "price_override": "reason actor",
        "repricing": "reason actor",
        "route": "name description",
        "schema": "name description",
        "schema_label": "label moved_by",
        "schema_version": "body example_input example_output created_by source",
        "saved_view": "name q",
        "tenant": "name",
        "rollup_proof": "by",
        "verification": "by",
    },
    PEOPLE: {"person": "name folded_name email issuer subject"},
    OURS: {
        "aged_quarter": "tier geo",
        "analytics_outbox": "schema_version outcome error_code",
        "analytics_state": "name why",
        "api_key": "scopes models routes",
        "attempt": "kind mode outcome error_code price billing",
        "audit_entry": "action kind",
        "audit_head": "name",
        "breaker_override": "state",
        "budget": "scope period mode thresholds",
        "change_event": "kind",
        "claim": "kind",
        "field_error": "type",
        "finding": "stage place kind action shape",
        "fire_drill": "fault",
        "flag_rule": "name starts_wall ends_wall zone",
        "generation": "outcome error_code media",
        "guardrail_rule": "check_name action stages",
        "ledger_entry": "kind cause",
        "person_grant": "role",
        "person_session": "how",
        "saved_view": "sort columns",
        "price_override": "kind input_usd_per_mtok cached_usd_per_mtok cache_write_usd_per_mtok output_usd_per_mtok"
        " tiers discount_percent usd_per_1000_uses",
        "repriced_attempt": "price_before",
        "rollup": "facet",
        "rollup_delta": "schema_version outcome error_code",
        "rollup_proof": "told",
        "rollup_slot": "facet kind",
        "reservation": "holds",
        "stored_object": "kind door",
        "tenant": "timezone without_budget without_price vendor_storage",
    },
    VENDORS: {
        "analytics_outbox": "provider",
        "attempt": "provider answered_model finish_reason family",
        "breaker_override": "provider model",
        "fire_drill": "provider model",
        "generation": "provider",
        "model_listing": "provider sentence models gone",
        "price_override": "provider model",
        "repricing": "provider model",
        "rollup_delta": "provider",
        "stored_object": "provider model",
    },
    ASKED: {
        "analytics_outbox": "schema_name route",
        "attempt": "model",
        "field_error": "schema_name",
        "generation": "model schema_name route principal",
        "rollup": "value",
        "rollup_delta": "schema_name route",
        "rollup_slot": "value detail",
    },
    HASHED: {"api_key": "prefix old_prefix", "claim": "key", "flag_rule": "salt"},
    NAMED: {
        "audit_entry": "undo_of",
        "budget": "scope_name",
        "claim": "holder",
        "generation": "answered_from reask_of",
        "opening": "out counted",
        "process": "owner",
        "proven_balance": "series",
        "reservation": "owner",
        "stretch": "series begins_after ends_with",
        "verification": "series",
    },
    HELD: {
        "policy_snapshot": "body",
        "route": "candidates schemas fallback_on",
        "tenant": "route",
    },
}
"""By reason, of each table the columns that have it."""
_NO_TEXTS = (Boolean, Float, Integer, UtcTime)
_BY_NAME = ("id", "hash", "digest")
"""How the names of columns end of which the name says that nobody reads anything in them."""


def _columns() -> Iterator[tuple[str, str]]:
    for table in Row.metadata.sorted_tables:
        for column in table.columns:
            is_named = column.name in _BY_NAME or column.name.endswith(tuple(f"_{one}" for one in _BY_NAME))
            if not isinstance(column.type, _NO_TEXTS) and not is_named:
                yield table.name, column.name


def _listed() -> dict[tuple[str, str], str]:
    return {
        (table, column): reason
        for reason, tables in REASONS.items()
        for table, columns in tables.items()
        for column in columns.split()
    }


@pytest.mark.parametrize(("table", "column"), list(_columns()))
def test_every_text_that_is_kept_has_a_reason(table: str, column: str) -> None:
    """A column that is new stands here before anything is kept in it, with who looked at its texts, or why nobody."""
    assert (table, column) in _listed(), "screen what goes in there, or say here why nobody has to"


def test_no_reason_outlives_its_column() -> None:
    """What is listed is there."""
    assert not set(_listed()) - set(_columns())
