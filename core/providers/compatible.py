"""A second server that speaks OpenAI's dialect, beside OpenAI itself: vLLM, Ollama, a gateway."""

from __future__ import annotations

from core.providers.openai import OpenAI
from core.settings import Settings


def provider(settings: Settings) -> OpenAI:
    """Return the server at ``COMPATIBLE_BASE_URL``."""
    keys = settings.keys("compatible")
    return OpenAI(name="compatible", api_key=keys[0], keys=keys, base_url=settings.compatible_base_url)
