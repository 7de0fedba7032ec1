"""Budgets, and the proof that they add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from core.amounts import written_dollars
from core.cli._command import DONE, REFUSED, Output, command, proctor, reasoned, table
from core.cli._figures import moment, usd
from core.cli._operator import OPERATOR
from core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from core.audit import ChainFinding
    from core.budgets import BudgetState
    from core.rollups import RollupFinding
    from core.runtime import Runtime
    from core.tables import Tenant


class _Dollars(click.ParamType[int]):
    """An amount of dollars, as nano-dollars."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``25``, ``25.50`` or ``$1,200``."""
        from core.pricing import nano_usd  # noqa: PLC0415

        try:
            return nano_usd(written_dollars(value))
        except Invalid as error:
            self.fail(error.message, param, ctx)


def _scoped(function: Callable[..., Output]) -> Callable[..., Output]:
    """Add the options that say which of a tenant's budgets is meant."""
    for name in ("key", "route", "schema", "model"):
        function = click.option(f"--{name}", help=f"The budget for this {name} alone.")(function)
    return function


def _scope(
    runtime: Runtime, model: str | None, schema: str | None, route: str | None, key: str | None
) -> tuple[str, str]:
    """Return scope and name; of a key its id, by whatever it was named.

    Raises:
        Invalid: several were given.

    """
    named = (("model", model), ("schema", schema), ("route", route), ("key", key))
    given = [(kind, name) for kind, name in named if name]
    if len(given) > 1:
        raise Invalid("A budget is for one model, one schema, one route or one key; name only one of them.")
    if key:
        return "key", runtime.tenants.find_key(OPERATOR, key).id
    return given[0] if given else ("tenant", "")


@proctor.group("budget")
def budget_group() -> None:
    """What a tenant may spend per day, week, month or fixed span, on all or on one model, schema, route or key."""


@command(budget_group, "set")
@click.argument("tenant")
@click.argument("limit", metavar="USD", type=_Dollars())
@_scoped
@click.option("--period", type=click.Choice(["day", "week", "month", "span"]), help="A new budget is monthly.")
@click.option("--mode", type=click.Choice(["hard", "soft", "degrade"]), help="A new budget is hard.")
@click.option("--threshold", type=int, multiple=True, help="A percentage at which people are told; may be repeated.")
@click.option("--from", "starts", help="Start of a fixed span, in the tenant's time zone.")
@click.option("--until", "ends", help="End of a fixed span, in the tenant's time zone.")
@reasoned
def set_budget(
    runtime: Runtime,
    *,
    tenant: str,
    limit: int,
    model: str | None,
    schema: str | None,
    route: str | None,
    key: str | None,
    period: str | None,
    mode: str | None,
    threshold: Sequence[int],
    starts: str | None,
    ends: str | None,
    reason: str,
) -> Output:
    """Set what a tenant may spend; effective with its next generation. What was spent stays spent."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    scope, name = _scope(runtime, model, schema, route, key)
    runtime.budgets.set(
        OPERATOR,
        owner,
        limit,
        scope=scope,
        scope_name=name,
        period=period,
        mode=mode,
        thresholds=threshold or None,
        starts_at=moment(starts, owner.timezone),
        ends_at=moment(ends, owner.timezone),
        reason=reason,
    )
    return _shown(owner, runtime.budgets.show(OPERATOR, owner, scope, name))


@command(budget_group, "show")
@click.argument("tenant")
@_scoped
def show_budget(runtime: Runtime, tenant: str, **named: str | None) -> Output:
    """Show what a tenant may spend, has spent and holds in the current period."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    return _shown(owner, runtime.budgets.show(OPERATOR, owner, *_scope(runtime, **named)))


@command(budget_group, "list")
@click.argument("tenant")
def list_budgets(runtime: Runtime, tenant: str) -> Output:
    """Show every budget of a tenant."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    states = runtime.budgets.all(OPERATOR, [owner]).get(owner.id, [])
    rows = [
        (
            state.terms.covered or "everything",
            state.terms.period.value,
            state.terms.mode.value,
            usd(state.limit_nano_usd),
            usd(state.spent_nano_usd),
            usd(state.held_nano_usd),
            f"{state.ends_at.astimezone(ZoneInfo(owner.timezone)):%Y-%m-%d %H:%M}",
        )
        for state in states
    ]
    heads = ("FOR", "PERIOD", "MODE", "LIMIT", "SPENT", "HELD", "UNTIL")
    return Output(
        {"tenant": owner.name, "budgets": [_document(state) for state in states]},
        table(heads, rows) if rows else f"{owner.name} has no budgets. Set one with 'proctor budget set'.",
    )


@command(budget_group, "raise")
@click.argument("tenant")
@click.argument("extra", metavar="USD", type=_Dollars())
@_scoped
@click.option("--until", "ends", required=True, help="When it ends, in the tenant's time zone.")
@click.option("--reason", required=True, help="Why; it is kept and shown.")
def raise_budget(
    runtime: Runtime,
    *,
    tenant: str,
    extra: int,
    model: str | None,
    schema: str | None,
    route: str | None,
    key: str | None,
    ends: str,
    reason: str,
) -> Output:
    """Add money to a budget for a while."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    scope = _scope(runtime, model, schema, route, key)
    until = moment(ends, owner.timezone)
    assert until is not None  # noqa: S101 the option is required
    state = runtime.budgets.show(OPERATOR, owner, *scope)
    more = runtime.budgets.raise_limit(OPERATOR, owner, state.budget_id, extra, ends_at=until, reason=reason)
    shown = _shown(owner, runtime.budgets.show(OPERATOR, owner, *scope))
    return shown._replace(document={**shown.document, "raise_id": more.id})


@command(budget_group, "withdraw")
@click.argument("tenant")
@click.argument("raise_id", metavar="RAISE")
@reasoned
def withdraw_raise(runtime: Runtime, tenant: str, raise_id: str, reason: str) -> Output:
    """End a raise before its time, by the id that 'budget show --json' gives."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    runtime.budgets.withdraw_raise(OPERATOR, owner, raise_id, reason=reason)
    return Output({"tenant": owner.name, "raise_id": raise_id}, f"The raise of {owner.name} has ended.")


@command(budget_group, "remove")
@click.argument("tenant")
@_scoped
@reasoned
def remove_budget(runtime: Runtime, tenant: str, *, reason: str, **named: str | None) -> Output:
    """Let a budget govern no longer. What it paid stays in its ledger."""
    owner = runtime.tenants.find(OPERATOR, tenant)
    state = runtime.budgets.show(OPERATOR, owner, *_scope(runtime, **named))
    runtime.budgets.remove(OPERATOR, owner, state.budget_id, state.version, reason=reason)
    return Output(_document(state) | {"tenant": owner.name}, f"{_name(state)} governs no longer.")


def _shown(owner: Tenant, state: BudgetState) -> Output:
    zone = ZoneInfo(owner.timezone)
    resets = state.ends_at.astimezone(zone)
    ends = "It ends" if state.terms.starts_at else "It resets"
    raised = state.limit_nano_usd - state.terms.limit_nano_usd
    return Output(
        {"tenant": owner.name} | _document(state),
        f"{_name(state)}: {usd(state.spent_nano_usd)} of {usd(state.limit_nano_usd)} spent, "
        f"{usd(state.held_nano_usd)} held for calls that are out. {ends} on {resets:%Y-%m-%d at %H:%M} "
        f"{owner.timezone}." + (f" {usd(raised)} of the limit is a raise." if raised else ""),
    )


def _name(state: BudgetState) -> str:
    return state.terms.name[0].upper() + state.terms.name[1:]


def _document(state: BudgetState) -> dict[str, Any]:
    terms = state.terms
    return {
        "budget_id": terms.budget_id,
        "scope": terms.scope.value,
        "scope_name": terms.scope_name,
        "period": terms.period.value,
        "mode": terms.mode.value,
        "thresholds": list(terms.thresholds),
        "limit_nano_usd": state.limit_nano_usd,
        "spent_nano_usd": state.spent_nano_usd,
        "held_nano_usd": state.held_nano_usd,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "is_current": state.is_current,
        "raises": [
            {
                "id": more.id,
                "extra_nano_usd": more.extra_nano_usd,
                "starts_at": more.starts_at,
                "ends_at": more.ends_at,
                "reason": more.reason,
            }
            for more in terms.raises
        ],
        "version": state.version,
    }


@command(proctor, "verify")
@click.option("--new", "only_new", is_flag=True, help="Look only at what is new since the last run, as servers do.")
@click.option("--anew", is_flag=True, help="Prove everything afresh: take closed history as it is now.")
@click.option("--rebuild", is_flag=True, help="Have the sums of days that differ made anew, in the background.")
@click.option(
    "--against",
    metavar="EXPORT",
    type=click.File("rb"),
    help="Say also whether the audit trail still leads through the head of this export.",
)
def verify(runtime: Runtime, *, only_new: bool, anew: bool, rebuild: bool, against: BinaryIO | None) -> Output:
    """Recompute every balance and every sum of calls, and follow the audit trail; exit code 1 if anything differs."""
    from core.audit import exported_head  # noqa: PLC0415

    head = None if against is None else exported_head(against)
    chain = runtime.trail.verify(OPERATOR, whole=not only_new, against=head)
    runtime.recovery.run()  # so that what the dead hold is not counted as held
    found = runtime.budgets.verify(OPERATOR, whole=not only_new, anew=anew)
    verdict = (
        f"Attempts and ledger explain every one of {found.accounts} accounts."
        if found.ok
        else f"Attempts, ledger and accounts differ by {usd(found.difference_nano_usd)}. Keep the database as it is."
        if found.difference_nano_usd
        else "Charges are missing, attempts have no call, or closed history was changed. Keep the database as it is."
    )
    sums = runtime.rollups.verify(OPERATOR, whole=not only_new)
    asked = runtime.rollups.rebuild(OPERATOR) if rebuild else 0
    return Output(
        found.model_dump(exclude={"id", "series"})
        | {"rollups": _sums_document(sums, asked), "audit": _chain_document(chain)},
        f"{verdict} {usd(found.held_nano_usd)} is held now.\n{_sums_sentence(sums, asked)}\n{_chain_sentence(chain)}",
        exit_code=DONE if found.ok and sums.ok and chain.ok else REFUSED,
    )


def _sums_document(sums: RollupFinding, asked: int) -> dict[str, Any]:
    return {
        "ok": sums.ok,
        "days": sums.days,
        "built_from": sums.built_from,
        "differing": [{"day": one.day, "told": one.told} for one in sums.differing],
        "rebuilding": asked,
        "sentence": sums.sentence,
    }


def _sums_sentence(sums: RollupFinding, asked: int) -> str:
    if sums.ok:
        return sums.sentence
    if asked:
        return f"{sums.sentence} They are made anew within minutes while Proctor runs; then verify again."
    return f"{sums.sentence} With --rebuild they are made anew from the calls, in the background."


def _chain_document(chain: ChainFinding) -> dict[str, Any]:
    return {
        "ok": chain.ok,
        "entries": chain.head.seq,
        "hash": chain.head.hash,
        "broken_at": chain.broken_at,
        "sentence": chain.sentence,
    }


def _chain_sentence(chain: ChainFinding) -> str:
    if chain.ok:
        return f"The audit trail is whole: each of its {chain.head.seq} entries follows from the one before."
    return f"The audit trail was changed. {chain.sentence} Keep the database as it is, and look for a backup."
