"""Instructor and the SDKs on the fake providers."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import instructor
import openai
import pytest

from tests.wire.server import WireServer


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """A running fake."""
    with WireServer() as running:
        yield running


@pytest.fixture
def openai_client(wire: WireServer) -> Iterator[instructor.Instructor]:
    """Instructor on OpenAI's SDK, as people set it up, but for the SDK's own retries."""
    with openai.OpenAI(api_key="sk-test", base_url=wire.openai_url, max_retries=0) as sdk:
        yield instructor.from_openai(sdk)


@pytest.fixture
def anthropic_client(wire: WireServer) -> Iterator[instructor.Instructor]:
    """Instructor on Anthropic's SDK."""
    with anthropic.Anthropic(api_key="sk-test", base_url=wire.anthropic_url, max_retries=0) as sdk:
        yield instructor.from_anthropic(sdk)
