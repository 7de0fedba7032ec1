"""Real processes on one database: what one of them decides holds in the others with their next call."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.principals import LOCAL_OPERATOR
from core.settings import ROOT
from tests.core.api.conftest import House, api_settings, built, eventually, served
from tests.core.api.test_two_processes import answers, process
from tests.wire.server import WireServer

GENEROUS_SECONDS = 60.0
"""How long a slow machine may take before this says that something never came."""
Answer = tuple[int, str]
FLAG = "generation.enabled"


@pytest.fixture
def house_and_others(database_url: str, wire: WireServer) -> Iterator[tuple[House, list[httpx2.Client]]]:
    """A Proctor in this process, served, and one that serves the API in a process of its own on the same database."""
    with ExitStack() as stack:
        house = stack.enter_context(built(api_settings(database_url, wire), wire))
        other = stack.enter_context(process(database_url, "", wire, house.key))
        url = stack.enter_context(served(house.app))
        one = stack.enter_context(httpx2.Client(base_url=url, headers=house.headers, timeout=GENEROUS_SECONDS))
        assert all(eventually(lambda client=client: answers(client), GENEROUS_SECONDS) for client in (one, other))
        yield house, [one, other]


def test_a_switch_holds_everywhere_with_the_next_call(
    house_and_others: tuple[House, list[httpx2.Client]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever door turns it: page, command line or API. The others refuse their very next call, and so for keys.

    Nobody waits for anything here: a call that began after the decision was answered meets it. How long that took is
    printed, and asserted nowhere. It takes a server and a command that start, on either database, since nothing less
    shows it.
    """
    house, (one, other) = house_and_others
    runtime, tenant = house.runtime, house.tenant
    manager = runtime.tenants.create_key(LOCAL_OPERATOR, None)
    spare = runtime.tenants.create_key(LOCAL_OPERATOR, tenant)
    managing = {"Authorization": f"Bearer {manager.secret}"}
    body = house.ask()

    def generate(client: httpx2.Client) -> Answer:
        response = client.post("/v1/generate", json=body)
        return response.status_code, str(response.json().get("code", ""))

    def with_spare(client: httpx2.Client) -> Answer:
        response = client.post("/v1/generate", json=body, headers={"Authorization": f"Bearer {spare.secret}"})
        return response.status_code, str(response.json().get("code", ""))

    def manage(client: httpx2.Client) -> Answer:
        response = client.get("/v1/manage/tenants", headers=managing)
        return response.status_code, str(response.json().get("code", "") if response.status_code != 200 else "")

    def by_api() -> None:
        flag = f"/v1/manage/flags/{FLAG}?tenant={tenant.id}"
        seen = {"If-Match": one.get(flag, headers=managing).headers["etag"]}
        assert one.put(flag, json={"is_on": False}, headers=managing | seen).status_code == 200

    def on_again() -> None:
        runtime.flags.clear(LOCAL_OPERATOR, FLAG, tenant)

    def by_command() -> None:
        done = subprocess.run(
            [
                Path(sys.executable).with_name("proctor"),
                "flag",
                "set",
                "generation.enabled",
                "off",
                "--tenant",
                tenant.name,
            ],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": runtime.settings.database_url, "DEMO": "false"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    switched_off, unknown = (403, "feature_disabled"), (401, "unauthenticated")
    steps: list[tuple[str, Callable[[], Any], Callable[[httpx2.Client], Answer], Answer]] = [
        (
            "page",
            lambda: runtime.flags.set(LOCAL_OPERATOR, FLAG, tenant, False),
            generate,
            switched_off,
        ),
        ("on again", on_again, generate, (200, "")),
        ("API", by_api, generate, switched_off),
        ("on again", on_again, generate, (200, "")),
        ("command line", by_command, generate, switched_off),
        ("on again", on_again, generate, (200, "")),
        ("key revoked", lambda: runtime.tenants.revoke_key(LOCAL_OPERATOR, spare.id), with_spare, unknown),
        ("manager's key revoked", lambda: runtime.tenants.revoke_key(LOCAL_OPERATOR, manager.id), manage, unknown),
    ]
    for client in (one, other):
        assert (generate(client), with_spare(client), manage(client)) == ((200, ""), (200, ""), (200, ""))
    for what, decide, ask, expected in steps:
        decide()
        decided = time.monotonic()
        found = [ask(other), ask(one)]
        with capsys.disabled():
            print(f"{what}: told by both within {time.monotonic() - decided:.3f} s")
        assert found == [expected, expected], what
