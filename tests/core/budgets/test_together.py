"""Money in the whole corridor: no lock and no transaction is held while a provider works."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.principals import LOCAL_OPERATOR
from tests.corridor import ANTHROPIC, OPENAI, rig
from tests.wire.server import WireServer

AT_ONCE = 64
SLOW_SECONDS = 12
"""Long enough that a machine on which everything else runs too has begun them all before the first ends."""


def eventually(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is so; return whether that came true in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_no_lock_is_held_across_a_provider_call(database_url: str) -> None:
    """Sixty-four slow calls on one budget are all at the provider at once, and who comes meanwhile does not wait."""
    with WireServer() as wire, rig(wire, database_url) as proctor, ThreadPoolExecutor(AT_ONCE) as pool:
        tenant = proctor.tenant()
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**9, scope="model", scope_name=OPENAI)
        proctor.ask(tenant)  # accounts and connections are there
        began = time.monotonic()
        asked = [pool.submit(proctor.ask, tenant, f"slow-{SLOW_SECONDS}s", model=OPENAI) for _ in range(AT_ONCE)]

        assert eventually(lambda: wire.ledger.open_count == AT_ONCE, SLOW_SECONDS), "they wait for each other"
        held = proctor.runtime.budgets.show(LOCAL_OPERATOR, tenant).held_nano_usd
        other = proctor.ask(tenant, model=ANTHROPIC)
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 2 * 10**9)
        assert wire.ledger.open_count > 0, "all of that happened while they were out"

        assert all(one.result().error is None for one in asked)
        assert time.monotonic() - began < AT_ONCE * SLOW_SECONDS / 4
        assert other.error is None
        assert held > 0
        assert proctor.is_settled()
