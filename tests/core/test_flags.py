"""Flags: which rule decides, what OpenFeature hears, and what was written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from sqlmodel import col, select

from core.audit import LONGEST_REASON
from core.clock import ManualClock
from core.errors import Forbidden, Invalid
from core.flags import Evaluation, Flag, Flags, evaluate_all
from core.principals import LOCAL_OPERATOR, Principal
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, FlagRule, Tenant
from core.tenants import Tenants
from tests.builders import decisions, person
from tests.conftest import START


@pytest.fixture
def flags(store: Store, clock: ManualClock) -> Flags:
    """The flags of an empty database."""
    return Flags(store, clock)


@pytest.fixture
def acme(store: Store, clock: ManualClock) -> Tenant:
    """A tenant."""
    return Tenants(store, clock).create(LOCAL_OPERATOR, "Acme")


def _rule(flag: str, tenant_id: str, *, is_on: bool) -> FlagRule:
    return FlagRule(name=flag, tenant_id=tenant_id, is_on=is_on, changed_at=START)


def test_without_rules_every_flag_has_its_default() -> None:
    """An untouched deployment runs on the defaults that the code gives."""
    for flag, evaluation in evaluate_all([], "acme").items():
        assert evaluation == Evaluation(flag.meaning.default, "DEFAULT", "the default")


def test_a_tenant_s_own_rule_goes_before_the_rule_for_all() -> None:
    """The nearest rule decides, in both directions, and the reason says which it was."""
    rules = [
        _rule("streaming.enabled", "", is_on=False),
        _rule("streaming.enabled", "acme", is_on=True),
        _rule("fallback.enabled", "", is_on=True),
        _rule("fallback.enabled", "acme", is_on=False),
    ]

    acme, globex = evaluate_all(rules, "acme"), evaluate_all(rules, "globex")

    assert acme[Flag.STREAMING] == Evaluation(True, "TARGETING_MATCH", "the tenant's own rule")
    assert globex[Flag.STREAMING] == Evaluation(False, "STATIC", "the rule for all tenants")
    assert acme[Flag.FALLBACK] == Evaluation(False, "TARGETING_MATCH", "the tenant's own rule")
    assert globex[Flag.FALLBACK] == Evaluation(True, "STATIC", "the rule for all tenants")
    assert globex[Flag.PAYLOADS].reason == "DEFAULT"


_rules = st.dictionaries(
    st.tuples(st.sampled_from(list(Flag)), st.sampled_from(["", "a", "b"])), st.booleans(), max_size=15
)


@given(_rules, st.sampled_from([None, "", "a", "b"]))
def test_the_answer_is_the_nearest_rule_whatever_the_rules(
    rules: dict[tuple[Flag, str], bool], who: str | None
) -> None:
    """For any set of rules: own rule, else the rule for all, else the default; nobody else's rule matters."""
    found = evaluate_all([_rule(flag, tenant, is_on=is_on) for (flag, tenant), is_on in rules.items()], who)

    for flag in Flag:
        own = rules.get((flag, who)) if who else None
        expected = own if own is not None else rules.get((flag, ""), flag.meaning.default)
        assert found[flag].value is expected
        assert (found[flag].reason == "TARGETING_MATCH") is (own is not None)


def test_a_rule_for_a_flag_that_is_gone_is_ignored() -> None:
    """Rows may outlive a flag that a later release removed."""
    assert set(evaluate_all([_rule("old.flag", "", is_on=False)], "acme")) == set(Flag)


def test_what_was_set_is_what_is_read(flags: Flags, acme: Tenant) -> None:
    """A rule holds from its transaction on, for its tenant or for all."""
    flags.set(LOCAL_OPERATOR, Flag.GENERATION, acme, False)
    flags.set(LOCAL_OPERATOR, Flag.PAYLOADS, None, False)

    assert flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, acme.id).value is False
    assert flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, None).value is True
    assert flags.evaluate(LOCAL_OPERATOR, Flag.PAYLOADS, acme.id) == Evaluation(
        False, "STATIC", "the rule for all tenants"
    )
    assert evaluate_all(flags.rules(LOCAL_OPERATOR), acme.id) == {
        flag: flags.evaluate(LOCAL_OPERATOR, flag, acme.id) for flag in Flag
    }


def test_setting_again_changes_the_rule_in_place(flags: Flags, acme: Tenant, clock: ManualClock) -> None:
    """There is one rule per flag and tenant, and it knows when it last changed."""
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False)
    clock.advance(60)
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, True)

    (rule,) = flags.rules(LOCAL_OPERATOR)
    assert (rule.name, rule.tenant_id, rule.is_on, rule.changed_at) == (
        "streaming.enabled",
        acme.id,
        True,
        clock.now(),
    )


def test_clearing_a_rule_lets_what_lies_beneath_decide(flags: Flags, acme: Tenant) -> None:
    """Own rule gone: the rule for all; that gone too: the default."""
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, False)
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, True)

    flags.clear(LOCAL_OPERATOR, Flag.STREAMING, acme)
    beneath = flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, acme.id)
    flags.clear(LOCAL_OPERATOR, Flag.STREAMING, None)

    assert beneath == Evaluation(False, "STATIC", "the rule for all tenants")
    assert flags.evaluate(LOCAL_OPERATOR, Flag.STREAMING, acme.id) == Evaluation(True, "DEFAULT", "the default")
    assert flags.rules(LOCAL_OPERATOR) == []


def test_every_change_is_audited_and_none_is_when_nothing_changed(
    flags: Flags, acme: Tenant, store: Store, clock: ManualClock
) -> None:
    """One entry, one event and one revision per real change; a repeated wish leaves no trace."""
    ann = person("ann")
    for tenant, flag, is_on in (
        (None, Flag.STREAMING, False),
        (None, Flag.STREAMING, False),
        (None, Flag.STREAMING, True),
        (acme, Flag.GENERATION, False),
    ):
        clock.advance(1)
        flags.set(ann, flag, tenant, is_on)
    clock.advance(1)
    flags.clear(ann, Flag.GENERATION, acme)
    flags.clear(ann, Flag.GENERATION, acme)

    with store.reading() as session:
        changes = AuditEntry.actor == "ann"
        entries = session.exec(select(AuditEntry).where(changes).order_by(col(AuditEntry.at))).all()
        flips = ChangeEvent.kind == "flag"
        events = session.exec(select(ChangeEvent).where(flips).order_by(col(ChangeEvent.at))).all()
    assert [(entry.actor, entry.action, entry.subject, entry.before, entry.after) for entry in entries] == [
        ("ann", "flag.set", "streaming.enabled", None, {"is_on": False}),
        ("ann", "flag.set", "streaming.enabled", {"is_on": False}, {"is_on": True}),
        ("ann", "flag.set", "generation.enabled", None, {"is_on": False}),
        ("ann", "flag.clear", "generation.enabled", {"is_on": False}, None),
    ]
    assert [(event.tenant_id, event.summary) for event in events] == [
        (None, "streaming.enabled was turned off for all tenants."),
        (None, "streaming.enabled was turned on for all tenants."),
        (acme.id, "generation.enabled was turned off for Acme."),
        (acme.id, "The rule of generation.enabled for Acme was removed."),
    ]
    with store.snapshot() as connection:
        assert decisions(connection) == 1 + 4  # the tenant, and the four


def test_only_who_may_write_flags_writes_them(flags: Flags, acme: Tenant) -> None:
    """A tenant's key cannot give itself what an operator took."""
    flags.set(LOCAL_OPERATOR, Flag.GENERATION, acme, False)
    key = Principal.of_key("key", acme.id, "prk_key")

    with pytest.raises(Forbidden):
        flags.set(key, Flag.GENERATION, acme, True)
    with pytest.raises(Forbidden):
        flags.clear(key, Flag.GENERATION, acme)
    assert flags.evaluate(LOCAL_OPERATOR, Flag.GENERATION, acme.id).value is False


def test_openfeature_hears_value_variant_and_reason(flags: Flags, acme: Tenant) -> None:
    """Code that speaks OpenFeature gets the same answer as the corridor, in OpenFeature's words."""
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, False)

    details = flags.client.get_boolean_details("streaming.enabled", True)

    assert (details.value, details.variant, details.reason, details.error_code) == (False, "off", Reason.STATIC, None)


def test_openfeature_is_told_of_what_we_do_not_have(flags: Flags) -> None:
    """An unknown flag, or one asked for as text, is an error with the caller's default: never a guess of ours."""
    unknown = flags.client.get_boolean_details("no.such.flag", True)
    text = flags.client.get_string_details("streaming.enabled", "x")

    assert (unknown.value, unknown.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert (text.value, text.error_code) == ("x", ErrorCode.TYPE_MISMATCH)


@pytest.mark.parametrize("flag", list(Flag))
def test_every_flag_says_what_turning_it_does(flag: Flag) -> None:
    """An operator reads the consequence before turning a switch: it finishes 'While it is off, …'."""
    meaning = flag.meaning

    assert meaning.title
    for sentence in (meaning.on, meaning.off):
        assert sentence[0].islower()
        assert sentence.endswith(".")
    assert meaning.on != meaning.off


@pytest.mark.parametrize("length", [500, 501])
def test_a_reason_is_kept_whole_or_refused(length: int, flags: Flags, acme: Tenant, store: Store) -> None:
    """What stands on the rule is what stands in the trail, in one line; one that is too long changes nothing."""
    reason = f"  a\n{'b' * (length - 2)} "
    if length > LONGEST_REASON:
        with pytest.raises(Invalid, match=r"^A reason has at most 500 characters; this has 501\. Nothing was saved\.$"):
            flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False, reason=reason)
        assert flags.rules(LOCAL_OPERATOR) == []
        return
    rule = flags.set(LOCAL_OPERATOR, Flag.STREAMING, acme, False, reason=reason)
    with store.reading() as session:
        kept = session.exec(select(AuditEntry.reason).order_by(col(AuditEntry.id).desc())).first()
    assert rule.reason == kept == f"a {'b' * 498}"
