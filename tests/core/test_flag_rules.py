"""What the rules of flags come to: for a share of the calls, for a while, for whatever has a name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]

from core.clock import EPOCH, ManualClock
from core.errors import Invalid, NotFound
from core.flags import Flag, FlagKind, FlagRule, Flags, RuleSet, evaluate_all, is_drawn, moment_of, told
from core.flags._rules import _DRAWS  # pyright: ignore[reportPrivateUsage] it must never change
from core.principals import LOCAL_OPERATOR
from core.routes import Routes
from core.settings import Settings
from core.store import Store
from core.tables import Tenant
from core.tenants import Tenants
from tests.conftest import START

UNITS = [f"acme {number}" for number in range(10_000)]
GOLDEN = (
    # salt, whom it is drawn for, the first 32 bits of SHA-256 over both
    ("s1", "a u1", 3549753648),
    ("s1", "a u2", 1609266635),
    ("s1", "", 2870203348),
    ("s2", "a u1", 2339551600),
    ("", "a u1", 1734721347),
    ("5f0c", "acme 01890f3c", 1627495154),
    ("5f0c", "acme äö", 3052915009),
    ("s1", "b u1", 136360646),
    ("s1", "u", 896164355),
    ("s1:", "u", 2486105572),
    ("s", "1:u", 1531221963),
    ("00000000000000000000000000000000", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 2413703212),
    ("s1", "a u3", 1214491147),
    ("s1", "a u4", 4187660679),
    ("s1", "a u5", 2839316169),
    ("s1", "a u6", 2639612078),
    ("s3", "a u1", 1722570036),
    ("s4", "a u1", 3536719189),
    ("s5", "a u1", 68002788),
    ("s6", "a u1", 2081545540),
)


@pytest.fixture
def flags(store: Store, clock: ManualClock) -> Flags:
    """The flags of an empty database."""
    return Flags(store, clock)


@pytest.fixture
def berlin(store: Store, clock: ManualClock) -> Tenant:
    """A tenant whose clock moves twice a year."""
    return Tenants(store, clock).create(LOCAL_OPERATOR, "Acme", "Europe/Berlin")


def share(percent: int, salt: str, *, is_on: bool = True, tenant_id: str = "") -> FlagRule:
    """Return a rule for so many of a hundred calls."""
    return FlagRule(name=Flag.STREAMING, tenant_id=tenant_id, is_on=is_on, percent=percent, salt=salt, changed_at=START)


def drawn(percent: int, salt: str = "salt") -> set[str]:
    """Return who is among them."""
    return {unit for unit in UNITS if is_drawn(percent, salt, unit)}


@pytest.mark.parametrize(("salt", "unit", "bits"), GOLDEN)
def test_an_algorithm_is_for_ever(salt: str, unit: str, bits: int) -> None:
    """Who is drawn by a number stays drawn by it, in every process, release and language."""
    assert _DRAWS[1](salt, unit) == bits


def test_a_share_only_grows() -> None:
    """Ten of a hundred are a part of thirty, none and all are exact, and two shares of half agree on half."""
    assert drawn(10) < drawn(30)
    assert abs(len(drawn(20)) - 2000) <= 120
    assert (drawn(0), drawn(100)) == (set(), set(UNITS))
    one_half, other_half = drawn(50), drawn(50, "other")
    assert abs(sum((unit in one_half) is (unit in other_half) for unit in UNITS[:2000]) - 1000) <= 100


@given(st.integers(0, 100), st.text(max_size=9), st.text(min_size=1, max_size=20), st.booleans())
def test_a_share_is_on_for_as_many_as_it_says_and_off_for_the_others(
    percent: int,
    salt: str,
    unit: str,
    is_on: bool,  # noqa: FBT001 a property's argument
) -> None:
    """Off for thirty is on for seventy; what is drawn is told as a split, whoever's rule it is."""
    found = RuleSet([share(percent, salt, is_on=is_on)], "acme").evaluate(Flag.STREAMING, START, unit)

    assert found.value is (is_on is is_drawn(percent, salt, unit))
    assert (found.reason, found.percent) == ("SPLIT", percent if is_on else 100 - percent)


def test_whom_a_share_is_drawn_for_survives_what_operators_do(flags: Flags, berlin: Tenant) -> None:
    """Another percentage, a word of on and off, an own rule beside it: the salt is the rule's, and stays."""
    first = flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, True, percent=10)
    salt = first.salt
    assert len(salt) >= 16
    for change in ({"percent": 30}, {}, {"percent": 10, "is_permanent": True}):
        flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, True, **change)
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, berlin, True, percent=10)

    rules = {one.tenant_id: one for one in flags.rules(LOCAL_OPERATOR)}

    assert (rules[""].salt, rules[""].algorithm, rules[""].percent) == (salt, 1, 10)
    assert rules[berlin.id].salt != salt


WALLS = (
    ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:30Z"),  # skipped there: it moves on by the gap
    ("Europe/Berlin", "2027-03-28T04:00", "2027-03-28T02:00Z"),
    ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30Z"),  # there twice: the first
    ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z"),
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30Z"),
    ("America/New_York", "2026-03-08T04:00", "2026-03-08T08:00Z"),
    ("America/New_York", "2026-03-09T02:30", "2026-03-09T06:30Z"),
    ("UTC", "2026-12-01T00:00", "2026-12-01T00:00Z"),
)


@pytest.mark.parametrize(("zone", "wall", "expected"), WALLS)
def test_a_wall_time_is_one_moment(zone: str, wall: str, expected: str) -> None:
    """Also on the days on which a clock is moved."""
    assert moment_of(wall, zone) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Berlin", "America/New_York"])
def test_a_wall_time_at_an_end_of_all_time_stops_nobody(zone: str) -> None:
    """A rule of an older release may have one: it holds from ever, or for ever, and no call fails on it."""
    for ends, value in (("9999-12-31T23:59", False), ("0001-01-01T00:00", True)):
        rule = FlagRule(
            name="streaming.enabled", tenant_id="", is_on=False, ends_wall=ends, zone=zone, changed_at=EPOCH
        )
        found = evaluate_all([rule], None, datetime(2026, 12, 1, tzinfo=UTC))
        assert found[Flag.STREAMING].value is value


def test_a_rule_holds_from_until(flags: Flags, berlin: Tenant, clock: ManualClock) -> None:
    """By its tenant's clock; before and behind it what lies beneath decides."""
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, True)
    rule = flags.set(LOCAL_OPERATOR, Flag.STREAMING, berlin, False, starts="2027-03-28T02:30", ends="2027-03-28T04:00")
    rules = flags.rules(LOCAL_OPERATOR)

    def held(at: datetime) -> tuple[bool, str]:
        found = evaluate_all(rules, berlin.id, at)[Flag.STREAMING]
        return found.value, found.reason

    begins, ends = datetime(2027, 3, 28, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 2, tzinfo=UTC)
    assert [held(at) for at in (begins - timedelta(seconds=1), begins, ends - timedelta(seconds=1), ends)] == [
        (True, "STATIC"),
        (False, "TARGETING_MATCH"),
        (False, "TARGETING_MATCH"),
        (True, "STATIC"),
    ]
    assert told(rule) == "off from 2027-03-28 02:30 until 2027-03-28 04:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"percent": 101}, "from 0 to 100"),
        ({"percent": True}, "from 0 to 100"),
        ({"zone": "Mars/Base"}, "time zone"),
        ({"ends": "tomorrow"}, "is no time"),
        ({"starts": "0001-01-01T00:00", "zone": "Europe/Berlin"}, "is no time that"),
        ({"ends": "9999-12-31T23:59", "zone": "America/New_York"}, "is no time that"),
        ({"ends": "9999-12-31T23:59-14:00"}, "is no time that"),
        ({"ends": "2200-01-01T00:00"}, "is no time that"),
        ({"starts": "2027-01-02T00:00", "ends": "2027-01-01T00:00"}, "ends after it begins"),
        ({"ends": "2020-01-01T00:00"}, "not in the past"),
    ],
    ids=str,
)
def test_what_no_rule_can_say(limits: Any, sentence: str, flags: Flags) -> None:
    """It is refused in one sentence, and nothing is saved."""
    with pytest.raises(Invalid, match=sentence):
        flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, False, **limits)
    assert not flags.rules(LOCAL_OPERATOR)


@pytest.mark.parametrize(
    "name", ["streaming", "model:", "cat:tom", "route: fast", "tool:a\nb", f"model:{'x' * 201}", ""]
)
def test_there_are_no_other_flags(name: str, flags: Flags) -> None:
    """A name that is none says which there are."""
    with pytest.raises(NotFound, match="There are: generation"):
        flags.set(LOCAL_OPERATOR, name, None, False)


CONTEXTS: tuple[tuple[Any, tuple[bool, str, str | None]], ...] = (
    # the targeting key; value, reason and error code of a share of 100 calls, which is off by its rule
    (None, (True, "ERROR", "TARGETING_KEY_MISSING")),
    ("", (True, "ERROR", "TARGETING_KEY_MISSING")),
    (0, (True, "ERROR", "TARGETING_KEY_MISSING")),  # which the SDK leaves out itself, being false
    (7, (True, "ERROR", "INVALID_CONTEXT")),
    (" u1 ", (False, "SPLIT", None)),
    ("u1", (False, "SPLIT", None)),
)


@pytest.mark.parametrize(("key", "expected"), CONTEXTS, ids=str)
def test_a_share_needs_somebody_to_be_drawn_for(key: Any, expected: tuple[Any, ...], flags: Flags) -> None:
    """Without a targeting key the caller's default is the answer, and the reason is an error; on and off need none."""
    flags.set(LOCAL_OPERATOR, Flag.STREAMING, None, False, percent=100)
    flags.set(LOCAL_OPERATOR, Flag.FALLBACK, None, False)
    context = EvaluationContext(targeting_key=key)

    details = flags.client.get_boolean_details(Flag.STREAMING, True, context)

    assert (details.value, details.reason, details.error_code) == expected
    if key != 7:
        assert flags.client.get_boolean_value(Flag.FALLBACK, True, context) is False


def test_rules_that_can_go_are_told(flags: Flags, store: Store, clock: ManualClock) -> None:
    """What was the same for long, what has ended and what is about nothing; not what is meant to stay, or is new."""
    routes = Routes(store, clock, Settings())
    routes.set(LOCAL_OPERATOR, "fast", [{"model": "openai/gpt-4o"}])
    soon = (START + timedelta(days=1)).replace(tzinfo=None).isoformat()
    old: tuple[tuple[str, dict[str, Any]], ...] = (
        (Flag.GENERATION, {"is_permanent": True}),
        (Flag.STREAMING, {}),
        (Flag.FALLBACK, {"percent": 100}),
        (Flag.PAYLOADS, {"percent": 50}),
        (FlagKind.ROUTE.of("fast"), {"ends": soon}),
        (FlagKind.ROUTE.of("gone"), {"is_permanent": True}),
    )
    for name, limits in old:
        flags.set(LOCAL_OPERATOR, name, None, True, **limits)
    clock.advance(40 * 86400)
    flags.set(LOCAL_OPERATOR, Flag.LOCAL_MODEL, None, False)

    found = {one.rule.name: one.why for one in flags.stale(LOCAL_OPERATOR)}

    same = "it has been the same for all calls for 40 days, and is not marked to stay"
    assert found == {
        Flag.STREAMING: same,
        Flag.FALLBACK: same,
        "route:fast": "it has ended",
        "route:gone": "there is no route gone any more",
    }
