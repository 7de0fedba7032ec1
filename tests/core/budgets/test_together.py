"""Money in the whole corridor: no lock and no transaction is held while a provider works."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core.principals import LOCAL_OPERATOR
from tests import servers
from tests.corridor import ANTHROPIC, OPENAI, rig
from tests.wire.server import WireServer

AT_ONCE = 64
PATIENCE_SECONDS = 60
"""For all to be out, on a machine on which everything else runs too. None of them ends before."""


def eventually(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is so; return whether that came true in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_no_lock_is_held_across_a_provider_call(database_url: str) -> None:
    """Sixty-four calls on one budget are all at the provider at once, and who comes meanwhile waits for none."""
    with WireServer() as wire, rig(wire, database_url) as proctor, ThreadPoolExecutor(AT_ONCE) as pool:
        tenant = proctor.tenant()
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**9, scope="model", scope_name=OPENAI)
        proctor.ask(tenant)  # accounts and connections are there
        route = proctor.route(OPENAI, timeout_seconds=2 * PATIENCE_SECONDS, deadline_seconds=2 * PATIENCE_SECONDS)
        asked = [pool.submit(proctor.ask, tenant, "held", route=route) for _ in range(AT_ONCE)]
        try:
            all_are_out = eventually(lambda: wire.ledger.open_count == AT_ONCE, PATIENCE_SECONDS)
            assert all_are_out, f"they wait for each other\n{servers.waiting(database_url)}"
            held = proctor.runtime.budgets.show(LOCAL_OPERATOR, tenant).held_nano_usd
            other = proctor.ask(tenant, model=ANTHROPIC)
            proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 2 * 10**9)
            assert wire.ledger.open_count == AT_ONCE, "all of that happened while they were out"
        finally:
            wire.release()

        assert all(one.result().error is None for one in asked)
        assert other.error is None
        assert held > 0
        assert proctor.is_settled()
