"""The money of relays: what is recorded is what the vendors billed, whatever befalls a call, and nothing stays held."""

from __future__ import annotations

from typing import cast

import pytest

from tests import relayed
from tests.core.api.conftest import api_settings, built, eventually, served
from tests.wire.apart import apart
from tests.wire.server import WireServer

GENERATIONS = 400


def test_what_is_recorded_is_what_was_billed(database_url: str, subtests: pytest.Subtests) -> None:
    """Some hundred relayed generations with every fault: each claim about them holds, on either database."""
    with apart() as fake:
        wire = cast("WireServer", fake)  # it has what is asked of one here: its addresses
        settings = relayed.house_settings(api_settings(database_url, wire), wire.url)
        with built(settings, wire) as house:
            which = list(relayed.questions(GENERATIONS))
            keys = relayed.furnished(house.runtime, GENERATIONS)
            with served(house.app) as url:
                told = relayed.asked(url, keys, which)
                assert eventually(lambda: not relayed.open_reservations(house.runtime.store), 60)
                books = relayed.books(house.runtime, told, which, fake.settled())
        for claim in relayed.CLAIMS:
            with subtests.test(claim.__name__):
                claim(books)
