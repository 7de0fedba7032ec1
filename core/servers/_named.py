"""The servers that a deployment names: ``PROVIDERS=groq,azure-eu``, and ``AZURE_EU_BASE_URL`` for what one of them is.

Whatever is wrong with them is told at the start, in a sentence that names the variable and never its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, SecretStr

from core.servers._addresses import is_same_address
from core.servers._recipes import Authentication, Dialect, Recipe
from core.servers._vendors import PROVIDERS, RECIPES, provider_word, recipe_of

MOST_SERVERS = 200
MOST_KEYS = 50
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED = frozenset({"authorization", "x-api-key", "api-key", "host", "content-length", "content-type", "cookie"})
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_SHORT = ("dialect", "api_version", "region", "project")


class Server(BaseModel):
    """One server beside those that are always named. Its keys are read from the environment and kept nowhere else."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, hide_input_in_errors=True)

    name: str
    """What its models are called by: ``name/model``. It begins with the name of a recipe."""
    base_url: str | None = None
    """Where it is; ``None``: where its recipe says."""
    dialect: Dialect = "chat"
    """What it is asked in."""
    also: tuple[Dialect, ...] = ()
    """What callers may speak to it beside that."""
    keys: tuple[SecretStr, ...] = ()
    headers: Mapping[str, SecretStr] = {}
    """What every call says beside who we are. Values may be secret, so they are never shown."""
    models: tuple[str, ...] = ()
    """The only models that may be asked of it; empty: any."""
    api_version: str | None = None
    """Azure's: with one, a deployment stands in the path; without, in the body."""
    region: str | None = None
    project: str | None = None

    @property
    def recipe(self) -> Recipe:
        """Its kind."""
        found = recipe_of(self.name)
        assert found is not None, "a server's name was checked when it was read"  # noqa: S101
        return found

    @property
    def address(self) -> str:
        """Where it is, as far as the settings and its recipe tell."""
        usual, _ = self.recipe.elsewhere.get(self.dialect, (self.recipe.address, ""))
        there = usual.format(region=self.region or "", project=self.project or "")
        found = self.base_url or _google_host(there)
        if self.dialect == "messages" and self.recipe.dialect == "chat":
            return found.removesuffix("/v1")  # Anthropic's paths begin with it; an address is often given with it
        return found

    @property
    def authentication(self) -> Authentication:
        """How a call says who we are."""
        return self.recipe.elsewhere.get(self.dialect, ("", self.recipe.authentication))[1]


def _google_host(address: str) -> str:
    """Return an address with the host that Google has for a region of many regions, as its SDKs know it."""
    address = address.replace("//global-", "//")
    return re.sub(r"//(us|eu)-aiplatform\.", r"//aiplatform.\1.rep.", address)


def named_servers(names: str, variable: Callable[[str], str | None]) -> dict[str, Server]:
    """Return the servers of *names*, which are separated by commas; *variable* gives the value of one, or ``None``.

    Raises:
        ValueError: one cannot be; the sentence names the variable, what is wrong with it, and what to do.

    """
    listed = [name for name in (part.strip() for part in names.replace("\n", ",").split(",")) if name]
    if len(listed) > MOST_SERVERS:
        raise ValueError(f"PROVIDERS lists {len(listed)} servers; at most {MOST_SERVERS} can be set up.")
    if twice := next((name for name in listed if listed.count(name) > 1), None):
        raise ValueError(f"PROVIDERS lists {twice} twice; a second server of a kind has a name such as {twice}-2.")
    return {name: _server(name, variable) for name in listed}


def _server(name: str, variable: Callable[[str], str | None]) -> Server:
    if name in PROVIDERS:
        raise ValueError(f"PROVIDERS lists {name}, which is always there: it lists the servers beside it.")
    recipe = recipe_of(name) if provider_word(name) else None
    if recipe is None or name.startswith("local-"):
        kinds = ", ".join(kind for kind in RECIPES if kind != "local")
        raise ValueError(
            f"PROVIDERS lists {name[:60]!r}, which is no name of a server: one begins with its kind ({kinds}) "
            "and may go on with a dash and a word, such as compatible-lab."
        )
    prefix = name.replace("-", "_").upper()

    def given(what: str) -> str | None:
        return (variable(f"{prefix}_{what}") or "").strip() or None

    short = {what: _plain(f"{prefix}_{what.upper()}", given(what.upper())) for what in _SHORT}
    said = short.pop("dialect")
    dialect = said or recipe.dialect
    if dialect not in recipe.dialects:
        raise ValueError(f"{prefix}_DIALECT is {dialect!r}; {recipe.title} speaks {' or '.join(recipe.dialects)}.")
    url = _url(f"{prefix}_BASE_URL", given("BASE_URL"))
    server = Server(
        name=name,
        dialect=dialect,
        also=() if said else recipe.also,
        base_url=None if url and recipe.address and is_same_address(url, recipe.address) else url,
        keys=keys_of(f"{prefix}_API_KEY", given("API_KEY")),
        headers=_headers(f"{prefix}_HEADERS", given("HEADERS")),
        models=tuple(re.split(r"[,\s]+", found)) if (found := given("MODELS")) else (),
        **short,
    )
    for what in recipe.needs:
        if getattr(server, what) is None:
            raise ValueError(f"{name} needs {prefix}_{what.upper()}: {_WHAT[what]}.")
    is_aws = recipe.authentication == "aws"
    extra = recipe.extra if is_aws or not server.keys else ""  # Amazon's streams need its library in any case
    if extra and not _is_installed(_LIBRARIES[extra]):
        raise ValueError(f"{name} needs {_LIBRARIES[extra]}, which is not installed: install proctor[{extra}].")
    if is_aws and len(server.keys) > 1:
        raise ValueError(f"{prefix}_API_KEY holds {len(server.keys)} keys; {recipe.title} is asked with one.")
    if recipe.wants_key and not server.keys:
        raise ValueError(
            f"{name} needs {prefix}_API_KEY, or {prefix}_API_KEY_FILE with the path of a file that holds it."
        )
    return server


_LIBRARIES: Mapping[str, str] = {"azure": "azure.identity", "vertex": "google.auth", "bedrock": "botocore"}
"""What the optional dependencies install."""


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # nor the package that it is in
        return False


_WHAT: Mapping[str, str] = {
    "base_url": "where the server is, such as https://models.example/v1",
    "region": "the region that is asked, as its cloud names it",
    "project": "the project that pays, as Google Cloud names it",
}


def _plain(variable: str, value: str | None) -> str | None:
    if value is not None and not _PLAIN.fullmatch(value):
        raise ValueError(f"{variable} is not usable: it is one word of letters, digits, dots and dashes.")
    return value


def _url(variable: str, value: str | None) -> str | None:
    if value is None:
        return None
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError(f"{variable} is not usable: it must start with http:// or https://.")
    if "@" in value.partition("//")[2].partition("/")[0] or "?" in value:
        raise ValueError(
            f"{variable} is not usable: an address holds no password and no query; a key has its own variable."
        )
    return value.rstrip("/")


def keys_of(variable: str, value: str | None) -> tuple[SecretStr, ...]:
    """Return the keys in *value*, which blanks, commas or lines separate, each once.

    Raises:
        ValueError: too many, or one that no header can carry.

    """
    keys = tuple(dict.fromkeys(part for part in re.split(r"[,\s]+", value or "") if part))
    if len(keys) > MOST_KEYS:
        raise ValueError(f"{variable} holds {len(keys)} keys; at most {MOST_KEYS} are taken.")
    if any(not (key.isascii() and key.isprintable()) for key in keys):
        raise ValueError(f"{variable} is not usable: a key has printable ASCII signs only.")
    return tuple(map(SecretStr, keys))


def _headers(variable: str, value: str | None) -> dict[str, SecretStr]:
    if value is None:
        return {}
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return dict(_checked_headers(variable, cast("dict[str, Any]", found)))
    raise ValueError(f'{variable} is not usable: it is a JSON object of texts, such as {{"x-team": "blue"}}.')


def _checked_headers(variable: str, found: dict[str, Any]) -> Iterator[tuple[str, SecretStr]]:
    for name, text in found.items():
        if not _TOKEN.fullmatch(name) or not isinstance(text, str) or not text.isprintable() or not text.isascii():
            raise ValueError(f"{variable} is not usable: {name[:40]!r} is no header with a text of ASCII signs.")
        if name.lower() in _RESERVED:
            raise ValueError(f"{variable} is not usable: {name} is ours to say; a key stands in its own variable.")
        yield name, SecretStr(text)
