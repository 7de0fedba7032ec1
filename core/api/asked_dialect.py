"""In which dialect whoever asks is to be answered. It imports nothing heavy: it is needed during the start."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from core.dialects import DIALECTS, Dialect, DialectName

OPENAI_FAMILIES = frozenset({
    "assistants", "audio", "batches", "chat", "completions", "containers", "conversations", "edits", "embeddings",
    "engines", "evals", "fine-tunes", "fine_tuning", "images", "moderations", "organization", "realtime", "responses",
    "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
"""How the addresses of OpenAI's API begin."""
ANTHROPIC_FAMILIES = frozenset({"complete", "messages", "organizations"})
SHARED_FAMILIES = frozenset({"files", "models", "skills"})
"""How those begin that both have."""
OUR_FAMILIES = frozenset({"calls", "generate", "generations", "openapi.json", "schemas", "spend"})
_MISPLACED = (*(one.path for one in DIALECTS.values()), "/models")
_SDKS = "x-stainless-"
"""How headers begin that both SDKs send."""


def dialect_of(connection: HTTPConnection) -> Dialect | None:
    """Return the dialect in which *connection* is to be answered; ``None`` for our own."""
    family = path_below(connection).strip("/").partition("/")[0]
    if family in OUR_FAMILIES:
        return None
    if family in OPENAI_FAMILIES:
        return DIALECTS[DialectName.RESPONSES if family == "responses" else DialectName.CHAT]
    if family in ANTHROPIC_FAMILIES:
        return DIALECTS[DialectName.MESSAGES]
    is_sdk = any(name.startswith(_SDKS) for name in connection.headers)
    if family in SHARED_FAMILIES or is_sdk or "anthropic-version" in connection.headers:
        return asking(connection)
    return None


def asking(connection: HTTPConnection) -> Dialect:
    """Return the dialect of a request that any vendor's program may send: Anthropic's sends its version, or its key."""
    is_anthropic = "anthropic-version" in connection.headers or "x-api-key" in connection.headers
    return DIALECTS[DialectName.MESSAGES if is_anthropic else DialectName.CHAT]


def where_from(path: str) -> str:
    """Return a sentence for a program that looks for one of our doors at another *path*, as its address is wrong."""
    if not path.endswith(_MISPLACED):
        return ""
    return " The base_url of OpenAI's SDK ends with /v1 here, and that of Anthropic's with the host."


def path_below(connection: HTTPConnection) -> str:
    """Return the address below ``/v1``."""
    scope = connection.scope
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))
