"""Money in scopes and periods, prices of our own, breakers, drills and answers shared."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SETTLE = (
    # What was out when the release changed has no row that the new shape could settle: charge its estimate, give back
    # the rest. The server was stopped for the upgrade, so nobody else will.
    (
        "INSERT INTO ledger_entry (id, at, account_id, generation_id, attempt_id, kind, nano_usd, estimated) "
        "SELECT 'upgrade-' || id, expires_at, account_id, generation_id, NULL, 'charge', at_risk_nano_usd, {true} "
        "FROM reservation WHERE at_risk_nano_usd > 0"
    ),
    (
        "UPDATE account SET held_nano_usd = 0, spent_nano_usd = spent_nano_usd + COALESCE((SELECT SUM(at_risk_nano_usd)"
        " FROM reservation WHERE reservation.account_id = account.id), 0)"
    ),
)

# Attempts of a generation that never ended, because its process did, were left without it; now every one has its own.
_RECORD = """INSERT INTO generation (
    id, tenant_id, principal, request_id, route, schema_name, schema_hash, outcome, error_code, error_detail, streamed,
    started_at, ended_at, duration_ms, attempts, provider, model, input_tokens, cached_tokens, cache_write_tokens,
    output_tokens, reasoning_tokens, cost_nano_usd, wasted_nano_usd, estimated, trace
)
SELECT a.generation_id, a.tenant_id, '', a.generation_id, '', '', '', 'provider_error', 'lost',
    'The process that ran it ended before an answer was recorded.', {false},
    MIN(a.started_at), MAX(a.ended_at), (MAX(a.ended_at) - MIN(a.started_at)) / 1000.0, COUNT(*), MAX(a.provider),
    MAX(a.model), COALESCE(SUM(a.input_tokens), 0), COALESCE(SUM(a.cached_tokens), 0),
    COALESCE(SUM(a.cache_write_tokens), 0), COALESCE(SUM(a.output_tokens), 0), COALESCE(SUM(a.reasoning_tokens), 0),
    CASE WHEN COUNT(CASE WHEN a.input_tokens IS NOT NULL AND a.cost_nano_usd IS NULL THEN 1 END) = 0
        THEN COALESCE(SUM(a.cost_nano_usd), 0) END,
    COALESCE(SUM(a.cost_nano_usd), 0), {true}, '[]'
FROM attempt a LEFT JOIN generation g ON g.id = a.generation_id
WHERE g.id IS NULL GROUP BY a.generation_id, a.tenant_id"""

# What the older shape has no room for: budgets other than a tenant's monthly one, accounts that are no month, a second
# account that begins as another does, and several re-pricings of one attempt, which become one.
_DAY = 86_400_000_000
_OTHERS = "SELECT id FROM budget WHERE scope <> 'tenant' OR period <> 'month' OR removed_at IS NOT NULL"
_NO_MONTHS = (
    f"SELECT a.id FROM account a WHERE a.budget_id IN ({_OTHERS}) "  # noqa: S608 written here
    f"OR a.ends_at - a.starts_at NOT BETWEEN {27 * _DAY} AND {32 * _DAY} "
    "OR EXISTS (SELECT 1 FROM account b WHERE b.budget_id = a.budget_id AND b.starts_at = a.starts_at "
    "AND b.ends_at > a.ends_at)"
)
_MERGE = (
    (
        "INSERT INTO ledger_entry (id, at, account_id, generation_id, attempt_id, kind, cause, nano_usd, estimated) "
        "SELECT 'merged-' || MIN(id), MAX(at), account_id, generation_id, attempt_id, 'merged', '', SUM(nano_usd), "
        "{false} FROM ledger_entry WHERE kind = 'repricing' GROUP BY account_id, generation_id, attempt_id"
    ),
    "DELETE FROM ledger_entry WHERE kind = 'repricing'",
    "UPDATE ledger_entry SET kind = 'repricing' WHERE kind = 'merged'",
)


def _execute(statement: str) -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(statement.format(true="1" if is_sqlite else "TRUE", false="0" if is_sqlite else "FALSE"))


def upgrade() -> None:
    """Go to this revision."""
    for statement in (*_SETTLE, _RECORD):
        _execute(statement)
    op.drop_table("reservation")
    op.create_table(
        "reservation",
        sa.Column("generation_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("holds", sa.Text(), nullable=False),
        sa.Column("generation", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("generation_id", name=op.f("pk_reservation")),
    )
    op.create_index(op.f("ix_reservation_expires_at"), "reservation", ["expires_at"])
    op.create_table(
        "process",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_process")),
    )
    op.create_table(
        "breaker_override",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "model", name=op.f("pk_breaker_override")),
    )
    op.create_table(
        "cached_answer",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("generation_id", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cached_answer")),
    )
    with op.batch_alter_table("cached_answer") as batch_op:
        batch_op.create_index(batch_op.f("ix_cached_answer_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_cached_answer_tenant_id"), ["tenant_id"], unique=False)

    op.create_table(
        "fire_drill",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("fault", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fire_drill")),
    )
    op.create_table(
        "price_override",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("from_at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("input_usd_per_mtok", sa.String(), nullable=True),
        sa.Column("cached_usd_per_mtok", sa.String(), nullable=True),
        sa.Column("cache_write_usd_per_mtok", sa.String(), nullable=True),
        sa.Column("output_usd_per_mtok", sa.String(), nullable=True),
        sa.Column("tiers", sa.Text(), nullable=True),
        sa.Column("discount_percent", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_override")),
    )
    with op.batch_alter_table("price_override") as batch_op:
        batch_op.create_index("ix_price_override_model", ["provider", "model"], unique=False)

    op.create_table(
        "repricing",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("before_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("after_nano_usd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repricing")),
    )
    op.create_table(
        "verification",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("difference_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("held_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification")),
    )
    with op.batch_alter_table("verification") as batch_op:
        batch_op.create_index(batch_op.f("ix_verification_at"), ["at"], unique=False)

    op.create_table(
        "repriced_attempt",
        sa.Column("repricing_id", sa.String(), nullable=False),
        sa.Column("attempt_id", sa.String(), nullable=False),
        sa.Column("before_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("after_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("price_before", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repricing_id"], ["repricing.id"], name=op.f("fk_repriced_attempt_repricing_id_repricing")
        ),
        sa.PrimaryKeyConstraint("repricing_id", "attempt_id", name=op.f("pk_repriced_attempt")),
    )
    op.create_table(
        "budget_raise",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("budget_id", sa.String(), nullable=False),
        sa.Column("extra_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["budget_id"], ["budget.id"], name=op.f("fk_budget_raise_budget_id_budget")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_raise")),
    )
    with op.batch_alter_table("budget_raise") as batch_op:
        batch_op.create_index(batch_op.f("ix_budget_raise_budget_id"), ["budget_id"], unique=False)

    with op.batch_alter_table("account") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_account_budget_id_starts_at"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_account_budget_id_starts_at_ends_at"), ["budget_id", "starts_at", "ends_at"]
        )

    with op.batch_alter_table("api_key") as batch_op:
        batch_op.add_column(sa.Column("rate_limit_per_min", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("tokens_per_min", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("concurrent_limit", sa.Integer(), nullable=True))

    with op.batch_alter_table("attempt") as batch_op:
        batch_op.add_column(sa.Column("charges", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("cache_saved_nano_usd", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("drill_id", sa.String(), nullable=True))
    op.create_index(
        "ix_attempt_unpriced",
        "attempt",
        ["provider", "model"],
        sqlite_where=sa.text("cost_nano_usd IS NULL AND input_tokens IS NOT NULL"),
        postgresql_where=sa.text("cost_nano_usd IS NULL AND input_tokens IS NOT NULL"),
    )

    with op.batch_alter_table("budget") as batch_op:
        batch_op.add_column(sa.Column("scope", sa.String(), nullable=False, server_default="tenant"))
        batch_op.add_column(sa.Column("scope_name", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("starts_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("ends_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("mode", sa.String(), nullable=False, server_default="hard"))
        batch_op.add_column(sa.Column("thresholds", sa.Text(), nullable=False, server_default="[80,95]"))
        batch_op.add_column(sa.Column("removed_at", sa.BigInteger(), nullable=True))
        batch_op.drop_constraint(batch_op.f("uq_budget_tenant_id"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_budget_tenant_id_scope_scope_name"), ["tenant_id", "scope", "scope_name"]
        )

    with op.batch_alter_table("generation") as batch_op:
        batch_op.add_column(sa.Column("saved_nano_usd", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("answered_from", sa.String(), nullable=True))

    with op.batch_alter_table("ledger_entry") as batch_op:
        batch_op.add_column(sa.Column("cause", sa.String(), nullable=False, server_default=""))
        batch_op.drop_constraint(batch_op.f("uq_ledger_entry_attempt_id_account_id_kind"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_ledger_entry_attempt_id_account_id_kind_cause"),
            ["attempt_id", "account_id", "kind", "cause"],
        )

    with op.batch_alter_table("route") as batch_op:
        batch_op.add_column(sa.Column("description", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("schemas", sa.Text(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("fallback_on", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("hedge_after_ms", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("cache_seconds", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("marks_cache", sa.Boolean(), nullable=False, server_default=sa.true()))

    with op.batch_alter_table("tenant") as batch_op:
        batch_op.add_column(sa.Column("tokens_per_min", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("concurrent_limit", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("without_budget", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("without_price", sa.String(), nullable=True))
    op.execute(
        "UPDATE attempt SET charges = (SELECT COUNT(*) FROM ledger_entry "
        "WHERE ledger_entry.attempt_id = attempt.id AND ledger_entry.kind = 'charge')"
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("reservation")
    op.execute("UPDATE account SET held_nano_usd = 0")
    for statement in _MERGE:
        _execute(statement)
    op.execute(f"DELETE FROM ledger_entry WHERE account_id IN ({_NO_MONTHS})")  # noqa: S608 written here
    op.execute(f"DELETE FROM account WHERE id IN ({_NO_MONTHS})")  # noqa: S608 written here
    op.drop_table("budget_raise")
    op.execute(f"DELETE FROM budget WHERE id IN ({_OTHERS})")  # noqa: S608 written here
    op.create_table(
        "reservation",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("generation_id", sa.String(), nullable=False),
        sa.Column("held_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("at_risk_nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_reservation_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservation")),
    )
    for column in ("account_id", "expires_at", "generation_id"):
        op.create_index(op.f(f"ix_reservation_{column}"), "reservation", [column])

    with op.batch_alter_table("tenant") as batch_op:
        batch_op.drop_column("without_price")
        batch_op.drop_column("without_budget")
        batch_op.drop_column("concurrent_limit")
        batch_op.drop_column("tokens_per_min")

    with op.batch_alter_table("route") as batch_op:
        batch_op.drop_column("marks_cache")
        batch_op.drop_column("cache_seconds")
        batch_op.drop_column("hedge_after_ms")
        batch_op.drop_column("fallback_on")
        batch_op.drop_column("schemas")
        batch_op.drop_column("description")

    with op.batch_alter_table("ledger_entry") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_ledger_entry_attempt_id_account_id_kind_cause"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_ledger_entry_attempt_id_account_id_kind"), ["attempt_id", "account_id", "kind"]
        )
        batch_op.drop_column("cause")

    with op.batch_alter_table("generation") as batch_op:
        batch_op.drop_column("answered_from")
        batch_op.drop_column("saved_nano_usd")

    with op.batch_alter_table("budget") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_budget_tenant_id_scope_scope_name"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_budget_tenant_id"), ["tenant_id"])
        batch_op.drop_column("removed_at")
        batch_op.drop_column("thresholds")
        batch_op.drop_column("mode")
        batch_op.drop_column("ends_at")
        batch_op.drop_column("starts_at")
        batch_op.drop_column("scope_name")
        batch_op.drop_column("scope")

    op.drop_index("ix_attempt_unpriced", table_name="attempt")
    with op.batch_alter_table("attempt") as batch_op:
        batch_op.drop_column("drill_id")
        batch_op.drop_column("cache_saved_nano_usd")
        batch_op.drop_column("charges")

    with op.batch_alter_table("api_key") as batch_op:
        batch_op.drop_column("concurrent_limit")
        batch_op.drop_column("tokens_per_min")
        batch_op.drop_column("rate_limit_per_min")

    with op.batch_alter_table("account") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_account_budget_id_starts_at_ends_at"), type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_account_budget_id_starts_at"), ["budget_id", "starts_at"])

    op.drop_table("repriced_attempt")
    with op.batch_alter_table("verification") as batch_op:
        batch_op.drop_index(batch_op.f("ix_verification_at"))

    op.drop_table("verification")
    op.drop_table("repricing")
    with op.batch_alter_table("price_override") as batch_op:
        batch_op.drop_index("ix_price_override_model")

    op.drop_table("price_override")
    op.drop_table("fire_drill")
    with op.batch_alter_table("cached_answer") as batch_op:
        batch_op.drop_index(batch_op.f("ix_cached_answer_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_cached_answer_expires_at"))

    op.drop_table("cached_answer")
    op.drop_table("breaker_override")
    op.drop_table("process")
