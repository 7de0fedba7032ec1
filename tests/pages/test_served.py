"""Every address that the installed framework opens stands in our list, and nothing that it opens is there by itself."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from streamlit import config
from streamlit.runtime import Runtime, RuntimeConfig
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.web.cache_storage_manager_config import create_default_cache_storage_manager
from streamlit.web.server.starlette.starlette_app import create_streamlit_routes

from core.api.browser_headers import HEADERS
from core.api.served import API, Served, To
from core.settings import ROOT
from pages._served import FORCED, FRAMEWORK, pages

STATIC = Path(streamlit.__file__).parent / "static"
LISTED = {one.path: one for one in FRAMEWORK}
OPENING = {"server.enableAgentApi": True, "server.scriptHealthCheckEnabled": True, "server.enableStaticServing": True}


@pytest.fixture
def routes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseRoute]]:
    """The routes of the framework, all that it can be told to open included."""
    monkeypatch.setattr(Runtime, "_instance", None)
    before = {name: config.get_option(name) for name in OPENING}
    for name, value in OPENING.items():
        config.set_option(name, value)
    runtime = Runtime(
        RuntimeConfig(
            script_path=str(ROOT / "pages" / "_frame.py"),
            media_file_storage=MemoryMediaFileStorage("/media"),
            uploaded_file_manager=MemoryUploadedFileManager("/_stcore/upload_file"),
            cache_storage_manager=create_default_cache_storage_manager(),
            is_hello=False,
        )
    )
    yield create_streamlit_routes(runtime)
    for name, value in before.items():
        config.set_option(name, value)


def _address(route: BaseRoute) -> str:
    assert isinstance(route, Route | WebSocketRoute)
    return re.sub(r"\{.*\}$", "*", route.path)


def test_every_route_of_the_framework_is_listed(routes: list[BaseRoute]) -> None:
    """A route that a new release adds is neither open nor forgotten: it fails here until somebody decides on it."""
    [assets] = [route for route in routes if isinstance(route, Mount)]
    assert assets.path == ""
    found = {_address(route): isinstance(route, WebSocketRoute) for route in routes if route is not assets}
    found |= {f"/{path.name}{'/*' if path.is_dir() else ''}": False for path in STATIC.iterdir()}
    assert found == {path: one.is_socket for path, one in LISTED.items()}


def test_what_is_open_to_nobody() -> None:
    """What drives pages, runs one, tells of sessions or signs somebody in by the framework's rules is not there."""
    served = Served([*API, *FRAMEWORK, *pages()])
    for path in (
        "/_stcore/agent/interact",
        "/_stcore/agent/mcp",
        "/_stcore/agent/openapi.json",
        "/_stcore/agent/whatever-is-next",
        "/_stcore/metrics",
        "/_stcore/script-health-check",
        "/auth/login",
        "/component/x/index.html",
        "/calls/_stcore/stream",
        "/no-page",
    ):
        assert served.to(path, is_socket=False) is To.NOBODY, path
        assert served.to(path, is_socket=True) is To.NOBODY, path
    assert served.to("/_stcore/stream", is_socket=False) is To.NOBODY
    assert served.to("/_stcore/stream", is_socket=True) is To.CONSOLE


def test_each_page_is_open() -> None:
    """Every page has its address, with or without a slash behind it; the first one has none but the root."""
    paths = {one.path for one in pages()}
    assert {f"/{path.parent.name}" for path in ROOT.glob("pages/*/page.py")} - {"/home"} <= paths
    assert "/" in paths
    assert "/home" not in paths
    assert all(one.to is To.PAGES for one in pages())


@pytest.mark.parametrize("option", FORCED)
def test_forced_options_are_the_frameworks(option: str) -> None:
    """Each option that holds whatever the environment says is one that this release knows, of the same kind."""
    known: Any = config.get_options_for_section(option.partition(".")[0])
    assert option.partition(".")[2] in known


def test_the_one_script_in_the_page_is_known() -> None:
    """The framework's page has one script between its lines, which the policy knows by its content, and no other."""
    page = (STATIC / "index.html").read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts]
    policy = dict(HEADERS[To.PAGES])[b"content-security-policy"].decode()
    assert hashes == re.findall(r"'sha256-[^']+'", policy)
    assert not re.search(r"<\w[^>]*\son\w+=", page)
