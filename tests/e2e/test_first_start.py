"""Whoever is quicker than the demo world need not reload."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.demo._claim import claimed
from core.store import Store
from tests.e2e.console import make_run
from tests.e2e.screen import PATIENCE_MS, visit


@pytest.fixture
def another(tmp_path: Path) -> Iterator[ExitStack]:
    """Another process that is about to make the demo world, until this is closed."""
    store = Store(f"sqlite:///{tmp_path / 'proctor.db'}")
    with ExitStack() as stack:
        assert stack.enter_context(claimed(store, threading.Event()))
        yield stack
    store.close()


@pytest.fixture
def base_url(another: ExitStack, tmp_path: Path) -> Iterator[str]:
    """A first start, whose demo world has to wait."""
    fake = {"LOCAL_MODEL": "off", "OPENAI_API_KEY": "sk-fake", "MODEL_PRIMARY": "openai/gpt-4o-mini"}
    with make_run(tmp_path, **fake) as console:
        yield console.url


def test_the_first_tenant_comes_by_itself(page: Page, another: ExitStack) -> None:
    """Playground and Tenants say what they wait for, and are ready once the demo world's first tenant is there."""
    tenants = page.context.new_page()
    visit(page, "/playground")
    visit(tenants, "/tenants")
    for waiting in (page, tenants):
        expect(waiting.get_by_role("heading", name="The demo world is being made")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Run", exact=True)).to_have_count(0)

    another.close()

    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
    expect(tenants.get_by_role("heading", name="Budgets", exact=True)).to_be_visible(timeout=PATIENCE_MS)
