"""The kinds of providers, and which of them a name means.

Compared on 2026-11-29 with what their makers publish: each comment names the page, or the release of the SDK. What has
no comment is known, and was not looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated

from pydantic import BeforeValidator

from core.servers._recipes import Recipe

_OPENAIS_NAMES = "[a-zA-Z0-9_-]{1,64}"
"""Groq, Mistral, xAI and DeepSeek publish the same one."""
_ANTHROPICS_NAMES = "[a-zA-Z0-9_-]{1,128}"
_GEMINIS_NAMES = "[a-zA-Z_][a-zA-Z0-9_.-]{0,63}"
# googleapis, FunctionDeclaration.name: dots and dashes everywhere; colons at some of its addresses only

PROVIDERS: Mapping[str, Recipe] = MappingProxyType(
    {
        "openai": Recipe(
            title="OpenAI",
            tool_names=_OPENAIS_NAMES,
            variable="OPENAI_API_KEY",
            hint=", or `OPENAI_BASE_URL` for another server that speaks its dialect",
            families=("gpt-", "chatgpt-", "o1", "o3", "o4", "codex-"),
            address="https://api.openai.com",
            first_model="gpt-4o-mini",
            has_makers_names=True,
            prices=("openai",),
            rules="openai",
            other_dialects=("responses",),
            stores=("chat", "responses"),  # "Migrate to the Responses API": chat completions too, of new accounts
            documentation="https://platform.openai.com/docs/api-reference",
        ),
        "anthropic": Recipe(
            title="Anthropic",
            tool_names=_ANTHROPICS_NAMES,
            variable="ANTHROPIC_API_KEY",
            families=("claude-",),
            address="https://api.anthropic.com",
            first_model="claude-haiku-4-5",
            has_makers_names=True,
            prices=("anthropic",),
            dialect="messages",
            rules="anthropic",
            parameters=("temperature", "top_p", "top_k", "reasoning_effort"),
            documentation="https://platform.claude.com/docs/en/api/messages",
        ),
        "compatible": Recipe(
            title="A server that speaks one of the dialects",
            variable="COMPATIBLE_BASE_URL",
            hint=", with `COMPATIBLE_API_KEY` if it wants one",
            other_dialects=("responses", "messages"),
            needs=("base_url",),
        ),
        "local": Recipe(
            title="The local model",
            variable="LOCAL_MODEL",
            hint=": auto runs it where no provider has a key",
            families=("smollm2",),
            first_model="smollm2",
            is_remote=False,
            rules="local",
            modes=("json_schema",),
            parts=(),
        ),
    }
)
"""The providers that are always named, set up or not, in the order in which they are named and tried."""

_CLAUDE = ("temperature", "top_p", "top_k", "reasoning_effort")
_OPEN_MODELS = ("temperature", "top_p", "seed", "reasoning_effort")

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        **PROVIDERS,
        "azure": Recipe(
            title="Azure OpenAI",
            tool_names=_OPENAIS_NAMES,
            has_makers_names=True,
            prices=("azure", "openai"),
            other_dialects=("responses",),
            also=("responses",),
            # Microsoft Learn, "API version lifecycle" of Azure OpenAI: from v1 on without a version, responses as well
            authentication="api-key",
            stores=("responses",),  # of chat completions only those that are asked for: "Stored completions"
            needs=("base_url",),
            extra="azure",
            rules="openai",
            documentation="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
            note="A model is the name of a deployment; one that is named as its model finds its price.",
        ),
        "gemini": Recipe(
            title="Gemini, by its compatible endpoint",
            tool_names=_GEMINIS_NAMES,
            address="https://generativelanguage.googleapis.com/v1beta/openai",
            prices=("google",),
            name_path="models/",  # as its list of models has them
            wants_key=True,
            parameters=("temperature", "top_p", "reasoning_effort"),
            parts=("image",),
            documentation="https://ai.google.dev/gemini-api/docs/openai",
        ),
        "vertex": Recipe(
            title="Vertex AI, by its compatible endpoint",
            tool_names=_GEMINIS_NAMES,
            address="https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/endpoints/openapi",
            prices=("google",),
            name_path="google/",
            authentication="google",
            needs=("region", "project"),
            lists_models=False,
            extra="vertex",
            parameters=("temperature", "top_p", "reasoning_effort"),
            parts=("image",),
            documentation="https://cloud.google.com/vertex-ai/generative-ai/docs/start/openai",
            note="Models are named with their publisher: google/gemini-2.5-flash.",
        ),
        "vertex-claude": Recipe(
            title="Claude on Vertex AI",
            tool_names=_ANTHROPICS_NAMES,
            address="https://{region}-aiplatform.googleapis.com/v1",
            prices=("google", "anthropic"),
            dialect="messages",
            authentication="google",
            needs=("region", "project"),
            lists_models=False,
            extra="vertex",
            rules="anthropic",
            # Google Cloud, "Structured outputs with Anthropic Claude models": newer models, once a policy allows it
            modes=("tools", "json", "md_json", "json_schema"),
            parameters=_CLAUDE,
            note="json_schema is off until constraints/vertexai.allowedPartnerModelFeatures allows it.",
            documentation="https://platform.claude.com/docs/en/api/claude-on-vertex-ai",
        ),
        "bedrock": Recipe(
            title="Claude on Amazon Bedrock",
            tool_names=_ANTHROPICS_NAMES,
            address="https://bedrock-runtime.{region}.amazonaws.com",
            prices=("aws", "anthropic"),
            dialect="messages",
            authentication="aws",
            needs=("region",),
            lists_models=False,
            extra="bedrock",
            rules="anthropic",
            # Amazon Bedrock User Guide, "Get validated JSON results from models": output_config.format, by model
            modes=("tools", "json", "md_json", "json_schema"),
            parameters=_CLAUDE,
            documentation="https://platform.claude.com/docs/en/api/claude-on-amazon-bedrock",
        ),
        "openrouter": Recipe(
            title="OpenRouter",
            address="https://openrouter.ai/api/v1",
            prices=("openrouter",),
            # OpenRouter, "API Reference": /api/v1/responses (beta) and /api/v1/messages, the key as a bearer's
            other_dialects=("responses", "messages"),
            also=("responses",),
            wants_key=True,
            parameters=(*_OPEN_MODELS, "verbosity"),
            documentation="https://openrouter.ai/docs/api-reference/overview",
        ),
        "groq": Recipe(
            title="Groq",
            tool_names=_OPENAIS_NAMES,
            address="https://api.groq.com/openai/v1",
            prices=("groq",),
            # GroqDocs, "OpenAI Compatibility": the Responses API at the same address; logprobs, logit_bias and names of
            # messages are turned away, and so is n beside 1. groq 1.7.0 has no stream_options: x_groq tells usage.
            other_dialects=("responses",),
            also=("responses",),
            wants_key=True,
            parameters=_OPEN_MODELS,
            parts=("image",),
            takes_stream_options=False,
            documentation="https://console.groq.com/docs/openai",
        ),
        "mistral": Recipe(
            title="Mistral",
            tool_names=_OPENAIS_NAMES,
            address="https://api.mistral.ai/v1",
            prices=("mistral",),
            wants_key=True,
            # mistralai 3.7.0, ChatCompletionRequest: random_seed and reasoning_effort, no stream_options, no seed
            parameters=("temperature", "top_p", "seed", "reasoning_effort"),
            renamed=MappingProxyType({"seed": "random_seed"}),
            parts=("image",),
            takes_stream_options=False,
            takes_any_call_id=False,
            documentation="https://docs.mistral.ai/api",
        ),
        "xai": Recipe(
            title="xAI",
            tool_names=_OPENAIS_NAMES,
            address="https://api.x.ai/v1",
            prices=("x-ai",),
            wants_key=True,
            # xAI, "REST API Reference": /v1/responses and /v1/chat/completions; /v1/messages is "fully deprecated"
            other_dialects=("responses",),
            also=("responses",),
            stores=("responses",),  # xAI, "Generate Text": on by default, for 30 days
            parameters=_OPEN_MODELS,
            parts=("image",),
            documentation="https://docs.x.ai/docs/api-reference",
        ),
        "deepseek": Recipe(
            title="DeepSeek",
            tool_names=_OPENAIS_NAMES,
            address="https://api.deepseek.com",
            prices=("deepseek",),
            wants_key=True,
            # DeepSeek API Docs, "Using the Anthropic API": the address, and x-api-key
            other_dialects=("messages",),
            elsewhere=MappingProxyType({"messages": ("https://api.deepseek.com/anthropic", "x-api-key")}),
            modes=("tools", "json", "md_json"),
            # DeepSeek API Docs, "Thinking Mode": reasoning_effort; while it thinks temperature and top_p have no effect
            parameters=("temperature", "top_p", "reasoning_effort"),
            parts=(),
            documentation="https://api-docs.deepseek.com",
        ),
        "vllm": Recipe(
            title="vLLM",
            needs=("base_url",),
            # vLLM, "Online Serving": /v1/chat/completions, /v1/responses, /v1/messages; an older release has fewer
            other_dialects=("responses", "messages"),
            parameters=_OPEN_MODELS,
            parts=("image",),
            documentation="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        ),
        "ollama": Recipe(
            title="Ollama",
            address="http://localhost:11434/v1",
            # Ollama, "OpenAI compatibility" (responses from 0.13.3 on, without state) and "Anthropic compatibility"
            other_dialects=("responses", "messages"),
            parameters=_OPEN_MODELS,
            parts=("image",),
            modes=("json_schema", "tools", "json", "md_json"),
            documentation="https://github.com/ollama/ollama/blob/main/docs/openai.md",
            note="It cuts what is longer than its context without a word: set OLLAMA_CONTEXT_LENGTH there.",
        ),
    }
)
"""Every kind of provider. A server's name is one of these, or one of these with a dash and a word behind it."""
REMOTE = tuple(name for name, recipe in PROVIDERS.items() if recipe.is_remote)


@lru_cache(maxsize=4096)
def kind_of(name: str) -> str | None:
    """Return the name of the kind that a provider's *name* says: of ``vertex-claude-eu`` that is ``vertex-claude``."""
    kind = name
    while kind not in RECIPES:
        kind, dash, _ = kind.rpartition("-")
        if not dash:
            return None
    return kind if name == kind or provider_word(name) else None


def recipe_of(name: str) -> Recipe | None:
    """Return the kind that a provider's *name* says."""
    kind = kind_of(name)
    return None if kind is None else RECIPES[kind]


def provider_word(name: str) -> bool:
    """Whether *name* is written as the name of a server is: small letters, digits and single dashes."""
    parts = name.split("-")
    return len(name) <= 40 and name.isascii() and all(part.isalnum() and part == part.lower() for part in parts)


def is_provider(name: str) -> bool:
    """Whether *name* may be a provider's; whether one is set up here, the settings know."""
    return recipe_of(name) is not None


def provider_of(model: str) -> tuple[str, str]:
    """Split a model into its provider and its name.

    *model* is ``provider/name``, or a bare name whose provider follows from its family.

    Raises:
        ValueError: neither; the message says how to write it.

    """
    provider, slash, name = model.partition("/")
    if slash and name and is_provider(provider):
        return provider, name
    bare = model.lower()
    for owner, recipe in PROVIDERS.items():
        if recipe.families and bare.startswith(recipe.families):
            return owner, model
    raise ValueError(f"{model!r} does not name a provider; write it as provider/name with one of {', '.join(RECIPES)}")


def _full_model_name(value: object) -> object:
    if not isinstance(value, str):
        return value
    return "/".join(provider_of(value.strip())) if value.strip() else None


ModelName = Annotated[str, BeforeValidator(_full_model_name)]
"""``provider/name``, completed from a bare name."""
