"""A second server that speaks OpenAI's dialect, beside OpenAI itself: vLLM, Ollama, a gateway."""

from __future__ import annotations

from core.providers.openai import OpenAI
from core.settings import Settings


def provider(settings: Settings) -> OpenAI:
    """Return the server at ``COMPATIBLE_BASE_URL``."""
    key = settings.compatible_api_key
    return OpenAI(
        name="compatible",
        api_key=key.get_secret_value() if key else "unused",
        base_url=settings.compatible_base_url,
    )
