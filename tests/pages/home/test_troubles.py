"""What the console says of the limits while the Redis that processes share is away."""

from __future__ import annotations

import dataclasses

from core import runtime as running
from core.limits import Limits
from core.runtime import Runtime
from core.shared import Shared
from tests import builders
from tests.pages.conftest import NOW, Open


def test_home_says_since_when_redis_is_away(proctor: Runtime, open_page: Open) -> None:
    """The notice names the time and what follows; without a Redis there is none."""
    builders.save(proctor.store, builders.tenant("Acme", NOW), [builders.generation(NOW)])
    assert not [one for one in open_page("home").warning if "Redis" in one.proto.title]

    shared = Shared("unix:///nowhere/redis", proctor.clock, proctor.metrics)
    running.install(dataclasses.replace(proctor, shared=shared, limits=Limits(shared)))
    [notice] = [one for one in open_page("home").warning if "Redis" in one.proto.title]

    assert notice.proto.title.replace("\\", "") == "Redis does not answer since 12:07 UTC"
    assert "counted per process until it does" in notice.value
