"""What can be managed for all tenants: flags, which may be one tenant's too, routes, schemas and prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.api.manage.bodies import moment
from core.api.manage.things import Asked, Document
from core.clock import EPOCH
from core.errors import NotFound
from core.flags import Evaluation, Flag, FlagRule, checked_name, kind_of, told
from core.guardrail_rules import GuardrailRule, described
from core.lines import one_line
from core.pricing import OverridingPrice
from core.routes import RouteView
from core.schemas import SchemaSummary
from core.tenants import Tenant

# ── Flags ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def flags(asked: Asked) -> Sequence[Document]:
    """Return every feature, and whatever else has a rule, as it is for a tenant, or without one for all."""
    of = _flag_tenant(asked)
    rules = asked.runtime.flags.rules(asked.principal)
    named = [one.name for one in rules if one.tenant_id == (of.id if of else "") and kind_of(one.name)]
    held = asked.runtime.flags.held(asked.principal, of)
    return [_flag(one, of, rules, held[one]) for one in dict.fromkeys((*map(str, Flag), *named))]


def flag(asked: Asked) -> Document:
    """Return one flag."""
    name, of, flags = _flag_of(asked), _flag_tenant(asked), asked.runtime.flags
    return _flag(name, of, flags.rules(asked.principal), flags.held(asked.principal, of, name)[name])


def set_flag(asked: Asked) -> Document:
    """Turn a flag on or off."""
    body = asked.body
    asked.runtime.flags.set(
        asked.principal,
        _flag_of(asked),
        _flag_tenant(asked),
        body.is_on,
        expected=_told(asked.seen),
        percent=body.percent,
        starts=body.starts,
        ends=body.ends,
        zone=body.zone,
        is_permanent=body.is_permanent,
        reason=asked.reason,
    )
    return flag(asked)


def clear_flag(asked: Asked) -> None:
    """Take a rule of a flag away."""
    flag, tenant = _flag_of(asked), _flag_tenant(asked)
    asked.runtime.flags.clear(asked.principal, flag, tenant, expected=_told(asked.seen), reason=asked.reason)


def _told(seen: Mapping[str, Any] | None) -> str | None:
    """Return the rule that the caller has seen, in the words in which its command compares it."""
    if seen is None or not seen["is_set"]:
        return None if seen is None else ""
    limits = {"percent": seen["percent"], "starts_wall": seen["starts"], "ends_wall": seen["ends"]}
    return told(
        FlagRule(
            name=seen["flag"],
            tenant_id=seen["tenant_id"],
            is_on=seen["is_on"],
            zone=seen["zone"] or "",
            is_permanent=seen["is_permanent"],
            changed_at=EPOCH,
            **limits,
        )
    )


def _flag_tenant(asked: Asked) -> Tenant | None:
    named = asked.query.get("tenant")
    return asked.runtime.tenants.find(asked.principal, named) if named else None


def _flag_of(asked: Asked) -> str:
    return checked_name(asked.path["flag"])


def _flag(name: str, of: Tenant | None, rules: Sequence[FlagRule], found: Evaluation) -> Document:
    tenant_id = of.id if of else ""
    rule = next((one for one in rules if (one.name, one.tenant_id) == (name, tenant_id)), None)
    return {
        "flag": name,
        "tenant_id": tenant_id,
        "is_on": rule.is_on if rule else found.value,
        "is_set": rule is not None,
        "percent": rule.percent if rule else None,
        "starts": rule.starts_wall if rule else None,
        "ends": rule.ends_wall if rule else None,
        "zone": (rule.zone if rule else "") or None,
        "is_permanent": rule is not None and rule.is_permanent,
    }


# ── Guardrails ────────────────────────────────────────────────────────────────────────────────────────────────────────


def guardrails(asked: Asked) -> Sequence[Document]:
    """Return the rules of a tenant, or without one those for all."""
    of = _flag_tenant(asked)
    rules = asked.runtime.guardrails.list(asked.principal)
    return [_guardrail(one) for one in rules if one.tenant_id == (of.id if of else "")]


def guardrail(asked: Asked) -> Document:
    """Return one rule."""
    return _guardrail(asked.runtime.guardrails.find(asked.principal, asked.path["guardrail"], _flag_tenant(asked)))


def set_guardrail(asked: Asked) -> Document:
    """Make or change a rule."""
    given = asked.body.given
    check, action = given.pop("check"), given.pop("action")
    rule = asked.runtime.guardrails.set(
        asked.principal,
        asked.path["guardrail"],
        _flag_tenant(asked),
        check,
        action,
        expected_version=asked.version,
        reason=asked.reason,
        **given,
    )
    return _guardrail(rule)


def remove_guardrail(asked: Asked) -> None:
    """Remove a rule."""
    asked.runtime.guardrails.remove(
        asked.principal,
        asked.path["guardrail"],
        _flag_tenant(asked),
        expected_version=asked.version,
        reason=asked.reason,
    )


def _guardrail(one: GuardrailRule) -> Document:
    return {"name": one.name, "tenant_id": one.tenant_id, **described(one), "version": one.version}


# ── Routes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def routes(asked: Asked) -> Sequence[Document]:
    """Return the routes there are."""
    return [_route(one) for one in asked.runtime.routes.list(asked.principal)]


def route(asked: Asked) -> Document:
    """Return one route."""
    return _route(asked.runtime.routes.find(asked.principal, asked.path["route"]))


def set_route(asked: Asked) -> Document:
    """Make or change a route."""
    given = asked.body.given
    there = route(asked) if asked.version else {}
    if there and there == {"name": there["name"], "version": there["version"]} | given:
        return there  # what was read is sent back: what the row leaves to the deployment stays left to it
    candidates = given.pop("candidates")
    found = asked.runtime.routes.set(
        asked.principal, asked.path["route"], candidates, expected_version=asked.version, reason=asked.reason, **given
    )
    return _route(found)


def remove_route(asked: Asked) -> None:
    """Remove a route; the default one follows the environment again."""
    asked.runtime.routes.reset(
        asked.principal, asked.path["route"], expected_version=asked.version, reason=asked.reason
    )


def _route(one: RouteView) -> Document:
    return {"name": one.terms.name, **one.described, "version": one.version}


# ── Schemas ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def schemas(asked: Asked) -> Sequence[Document]:
    """Return the schemas there are."""
    return [_schema(one) for one in asked.runtime.schemas.list(asked.principal)]


def schema(asked: Asked) -> Document:
    """Return one schema with its labels."""
    found = asked.runtime.schemas.summary(asked.principal, asked.path["schema"])
    if found is None:
        raise NotFound("There is no schema of this name.")
    return _schema(found)


def new_version(asked: Asked) -> Document:
    """Add a version of a schema."""
    body = asked.body
    added = asked.runtime.schemas.add(
        asked.principal, body.name, body.body, description=body.description, label=body.label, reason=asked.reason
    )
    found = asked.runtime.schemas.summary(asked.principal, body.name)
    assert found is not None  # noqa: S101 it was just added
    return _schema(found) | {"version": added.version}


def label(asked: Asked) -> Document:
    """Return the version that a label names."""
    labels = schema(asked)["labels"]
    if asked.path["label"] not in labels:
        raise NotFound("This schema has no such label.")
    return {"schema": asked.path["schema"], "label": asked.path["label"], "version": labels[asked.path["label"]]}


def set_label(asked: Asked) -> Document:
    """Let a label name a version."""
    name, version = asked.path["schema"], asked.body.version
    asked.runtime.schemas.promote(
        asked.principal, name, version, asked.path["label"], expected=asked.version, reason=asked.reason
    )
    return label(asked)


def remove_label(asked: Asked) -> None:
    """Take a label away."""
    asked.runtime.schemas.unlabel(
        asked.principal, asked.path["schema"], asked.path["label"], expected=asked.version, reason=asked.reason
    )


def _schema(one: SchemaSummary) -> Document:
    return {
        "name": one.name,
        "description": one.description,
        "latest": one.latest,
        "labels": dict(one.labels),
        "created_at": moment(one.created_at),
    }


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def prices(asked: Asked) -> Sequence[Document]:
    """Return the overrides that hold or are to hold."""
    return [_price(one) for one in asked.runtime.prices.overrides(asked.principal) if one.withdrawn_at is None]


def price(asked: Asked) -> Document:
    """Return one override."""
    wanted = asked.id("price")
    for one in asked.runtime.prices.overrides(asked.principal):
        if one.id == wanted and one.withdrawn_at is None:
            return _price(one)
    raise NotFound("There is no such override any more.")


def new_price(asked: Asked) -> Document:
    """Say what a model costs from a time on."""
    given = asked.body.given
    provider, model, named = given.pop("provider"), given.pop("model"), given.pop("tenant", "")
    owner = asked.runtime.tenants.find(asked.principal, named) if named else None
    return _price(
        asked.runtime.prices.set(asked.principal, provider, model, tenant=owner, **({"reason": asked.reason} | given))
    )


def withdraw_price(asked: Asked) -> None:
    """Take an override back, as if it had never been set."""
    asked.runtime.prices.withdraw(asked.principal, asked.id("price"), reason=asked.reason)


# ── What happened elsewhere ───────────────────────────────────────────────────────────────────────────────────────────


def new_change(asked: Asked) -> Document:
    """Write down what was changed elsewhere."""
    given, named = asked.body.given, asked.body.tenant or asked.principal.tenant_id
    owner = asked.runtime.tenants.find(asked.principal, named) if named else None
    at = asked.body.at or asked.runtime.clock.now()
    told = {field: given[field] for field in given.keys() & {"kind", "link"}}
    id_ = asked.runtime.changes.note(asked.principal, asked.body.what, at=at, tenant=owner, **told, reason=asked.reason)
    return {
        "id": id_,
        "at": moment(at),
        "kind": asked.body.kind,
        "what": one_line(asked.body.what),
        "link": asked.body.link,
        "tenant_id": owner.id if owner else None,
    }


def _price(one: OverridingPrice) -> Document:
    return {
        "id": one.id,
        "tenant_id": one.tenant_id,
        "provider": one.provider,
        "model": one.model,
        "from_at": moment(one.from_at),
        "kind": one.kind.value,
        "says": one.sentence,
        "reason": one.reason,
        "created_at": moment(one.created_at),
    }
