"""Ten thousand relayed generations with every fault, on both databases: their money, claim by claim.

``python -m tests.bench relayed 10000``. It is what ``tests/core/api/test_relayed_money.py`` does in small.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import cast

from tests import relayed, servers
from tests.bench.measure import table
from tests.core.api.conftest import api_settings, built, eventually, served
from tests.wire.apart import apart
from tests.wire.server import WireServer


def run(_wire_url: str, folder: Path, generations: int = 10_000) -> None:
    """Ask, check and print."""
    which = list(relayed.questions(generations))
    rows = [("relayed generations", "calls", "attempts", "estimated", "$ charged", "claims", "seconds")]
    failed: list[str] = []
    with servers.postgres() as server, servers.database(server, "relayed") as postgres:
        for kind, database in {"SQLite": f"sqlite:///{folder / 'relayed.db'}", "PostgreSQL": postgres}.items():
            began = time.perf_counter()
            books = _asked(database, which)
            wrong = [claim for claim in relayed.CLAIMS if not _holds(claim, books)]
            failed += [f"{kind}: {claim.__name__}" for claim in wrong]
            cost = sum(one.cost_nano_usd or 0 for one in books.attempts)
            rows.append(
                (
                    f"{kind}: {len(books.generations):,}",
                    f"{len(books.calls):,}",
                    f"{len(books.attempts):,}",
                    f"{sum(one.estimated for one in books.attempts):,}",
                    f"{cost / 1e9:.4f}",
                    f"{len(relayed.CLAIMS) - len(wrong)} of {len(relayed.CLAIMS)} hold",
                    f"{time.perf_counter() - began:.0f}",
                )
            )
            print(f"{kind}: {dict(Counter(str(one.outcome) for one in books.generations).most_common())}")
    table("What is recorded of relays is what was billed, and nothing stays held", rows)
    if failed:
        raise SystemExit(f"These do not hold: {', '.join(failed)}")


def _asked(database: str, which: list[relayed.Question]) -> relayed.Books:
    with apart() as fake:
        wire = cast("WireServer", fake)
        settings = relayed.house_settings(api_settings(database, wire), wire.url)
        with built(settings, wire) as house:
            keys = relayed.furnished(house.runtime, len(which))
            with served(house.app) as url:
                told = relayed.asked(url, keys, which)
                assert eventually(lambda: not relayed.open_reservations(house.runtime.store), 60)
                return relayed.books(house.runtime, told, which, fake.settled())


def _holds(claim: relayed.Claim, books: relayed.Books) -> bool:
    try:
        claim(books)
    except AssertionError as error:
        print(f"{claim.__name__}: {str(error)[:2000]}")
        return False
    return True
