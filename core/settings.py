"""How this process runs: read once from environment, secret files and ``.env``. The only door to the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from core.addresses import Network, Origin, is_loopback, read_hosts, read_networks, read_public_url
from core.errors import Misconfigured
from core.identity_providers import IdentityProvider, read_header_name
from core.outgoing import HostSecrets, read_proxy, read_secrets
from core.own_keys import DeploymentKey, OwnKeys, read_keys
from core.servers import PROVIDERS, REMOTE, ModelName, Server, is_same_address, keys_of
from core.variables import NamedThings, SecretFiles, read_analytics, read_pipelines

ROOT = Path(__file__).resolve().parents[1]
_READ: Mapping[str, Callable[[str], object]] = {
    "public_url": read_public_url,
    "allowed_hosts": read_hosts,
    "trusted_proxies": read_networks,
    "hash_keys": read_keys,
    "payload_keys": read_keys,
    "sign_in_header": read_header_name,
    "sign_in_header_from": read_networks,
    "outgoing_networks": read_networks,
    "outgoing_proxy": read_proxy,
    "webhook_secrets": read_secrets,
    "name_pipelines": read_pipelines,
    "analytics_url": read_analytics,
}
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Settings(BaseSettings):
    """One value per environment variable; the variable is the field's name in capitals."""

    model_config = SettingsConfigDict(
        env_file=None, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    openai_api_key: SecretStr | None = None
    """Key for OpenAI, or for the server at ``OPENAI_BASE_URL``."""
    openai_base_url: str | None = None
    """Another server that speaks OpenAI's dialect, ``/v1`` included. Without a key one is made up."""
    openai_api: Literal["chat", "responses"] = "chat"
    """Which of OpenAI's two wires to use: chat completions, or the Responses API."""
    anthropic_api_key: SecretStr | None = None
    """Key for Anthropic."""
    anthropic_base_url: str | None = None
    """Another server that speaks Anthropic's dialect, without ``/v1``."""
    compatible_base_url: str | None = None
    """A third server that speaks OpenAI's dialect, used beside OpenAI as provider ``compatible``."""
    compatible_api_key: SecretStr | None = None
    """Key for the server at ``COMPATIBLE_BASE_URL``."""
    providers: Annotated[Mapping[str, Server], NoDecode] = {}
    """Servers beside these, by their names: ``groq``, or ``groq-eu`` for a second one of its kind."""
    model_primary: ModelName | None = None
    """Who answers first. Without it: the first provider that has a key, else the local model."""
    model_fallback: ModelName | None = None
    """Who answers when the primary cannot."""
    any_model: Literal["allow", "routes"] = "allow"
    """``routes``: a caller may ask only those models by name that some route names."""
    models_file: Path | None = None
    """What an operator knows better of models than the package's list and their vendors tell: TOML."""
    max_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often an invalid answer is asked again, per candidate; 2 means at most three paid calls."""
    max_output_tokens: PositiveInt = 1024
    """The most tokens one answer may have, unless the route says otherwise."""
    deadline_seconds: PositiveFloat = 60.0
    """The longest a generation may take, everything included."""
    attempt_timeout_seconds: PositiveFloat = 30.0
    """The longest one provider call may take."""
    relay_seconds: Annotated[float, Field(gt=0, le=3600)] = 600.0
    """The longest a provider call of a front door may take where its route has the usual times: as the SDKs wait."""
    relay_output_tokens: PositiveInt = 16_384
    """The most tokens of a relayed answer where neither its caller nor its route sets a limit."""
    rate_limit_per_min: PositiveInt = 600
    """Generations per minute and tenant, unless the tenant has its own limit."""
    tokens_per_min: PositiveInt | None = None
    """Input and output tokens per minute and tenant, unless the tenant has its own limit. Empty: no limit."""
    concurrent_per_tenant: PositiveInt | None = None
    """Generations in flight at once per tenant, unless the tenant has its own limit. Empty: no limit."""
    budget_wait_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0
    """How long a call may wait for money that other calls hold, which are out; 0: it is refused at once."""
    without_budget: Literal["allow", "refuse"] = "allow"
    """Whether a call that no budget pays for may go out, unless the tenant says otherwise."""
    without_price: Literal["unless-budgeted", "allow", "refuse"] = "unless-budgeted"
    """Whether a model without a price may be called, unless the tenant says so; by default if no hard budget pays."""
    vendor_storage: Literal["caller", "off", "refused"] = "caller"
    """Whether vendors store relayed answers, unless the tenant says otherwise: as callers say, never, or refused."""
    breaker_error_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of failed calls of the last minute from which on a model is not asked for a while."""
    breaker_slow_rate: Annotated[float, Field(gt=0, le=1)] = 0.8
    """So for slow calls."""
    breaker_slow_seconds: PositiveFloat = 20.0
    """From when on a call is slow; for a stream, until its first piece."""
    breaker_invalid_rate: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of answers that do not satisfy a schema from which on a model is not asked for that schema."""
    breaker_least_calls: PositiveInt = 5
    """Fewer calls than this say nothing; nor do fewer than four times as many answers."""
    breaker_pause_seconds: PositiveFloat = 30.0
    """The first pause before a probe; each probe that fails doubles it, up to four times as long."""
    concurrency: PositiveInt = 256
    """How many generations one process holds in flight at once; one tenant at most four fifths of them."""
    queue: PositiveInt = 512
    """How many requests one process lets wait for a place; whoever comes then is told to come back."""
    body_megabytes: Annotated[int, Field(ge=32)] = 128
    """How many megabytes of large bodies one process holds at once; others wait unread."""
    answer_workers: Annotated[int, Field(ge=0, le=64)] | None = None
    """How many processes read heavy answers beside this one; 0: it reads them itself. Empty: half as many as cores."""
    wrong_keys_per_min: PositiveInt = 60
    """After so many unknown keys in a minute an address is told to come back; known keys pass all the same."""
    database_url: str = ""
    """SQLite or PostgreSQL. Empty: ``data/proctor.db`` in this folder."""
    reports_database_url: str = ""
    """A copy that follows the database, such as a read replica: reports are read from it. Empty: from the database."""
    analytics_url: Annotated[str, NoDecode] = ""
    """An analytics store, ``clickhouse://user:password@host:8123/database``. Empty: there is none."""
    report_seconds: Annotated[float, Field(ge=0, le=600)] = 30.0
    """How long one question of a page or a report may take in the database until it is cancelled; 0: without an end."""
    hash_keys: Annotated[tuple[DeploymentKey, ...], NoDecode] = ()
    """The deployment's own keys by which users are hashed. Empty: their hashes can be tried out by who has them."""
    payload_keys: Annotated[tuple[DeploymentKey, ...], NoDecode] = ()
    """The deployment's own keys by which prompts and answers are sealed; the first seals, all open. Empty: unsealed."""
    backlog_dir: Path | None = None
    """Where records wait in a file while the database does not take them. Empty: beside an SQLite, else ``data/``."""
    redis_url: str | None = None
    """Shares limits and breakers between processes. Empty: they are counted per process."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    """Where console and API listen."""
    drain_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 20.0
    """How long a server that is told to stop waits for its generations before it ends them. Most end by themselves in
    it, and it is less than the 30 seconds after which Kubernetes ends the server."""
    host: str = "localhost"
    """The address to listen on."""
    without_sign_in: Literal["loopback", "network"] = "loopback"
    """Who may use the console until there is somebody who signs in: who is at this machine, or whoever reaches it."""
    sign_in_idle_hours: Annotated[int, Field(ge=1, le=8760)] = 24
    """After how many hours without a look at the console one has to sign in again."""
    sign_in_days: Annotated[int, Field(ge=1, le=365)] = 30
    """After how many days one has to sign in again in any case."""
    oidc_providers: Annotated[Mapping[str, IdentityProvider], NoDecode] = {}
    """Who vouches for people beside their passwords, by name: ``google``, or any that speaks OpenID Connect."""
    sign_in_header: Annotated[str | None, NoDecode] = None
    """The header in which a proxy says who has signed in there. Empty: none is believed."""
    sign_in_header_from: Annotated[tuple[Network, ...], NoDecode] = ()
    """The proxies that may say so, by the addresses from which they call: nobody else's header is believed."""
    public_url: Annotated[Origin | None, NoDecode] = None
    """Where people open the console, if not under the address that it listens on: no other page may speak to it."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Names under which requests may come beside the public one, those of loopback and the address listened on."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """The proxies whose word on a caller's address, scheme and host is taken. Nobody else's is."""
    outgoing_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks of your own to which addresses that people enter here may lead; without them only to public hosts."""
    outgoing_proxy: str | None = None
    """Through which such addresses are asked; it resolves their names. Empty: they are asked directly."""
    webhook_secrets: Annotated[HostSecrets, NoDecode] = {}
    """What webhooks are told as a bearer, by the host that it is for."""
    name_pipelines: Annotated[Mapping[str, str], NoDecode] = {}
    """What finds names of persons: pipelines of spaCy's by name, a package or a folder each; a process loads each."""
    metrics_token: SecretStr | None = None
    """What has to be sent as a bearer to read ``/metrics``. Empty: nothing."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe log line that is written."""
    flag_provider: str | None = None
    """Who decides flags in the place of our rules: ``package.module:factory``, which makes an OpenFeature provider."""
    flag_provider_ms: Annotated[int, Field(ge=1, le=10_000)] = 100
    """How many milliseconds a generation waits for it; then flags are as by default."""
    local_model: str = "auto"
    """``auto`` runs the small model when no provider has a key, ``on`` always, ``off`` never; or the path of a GGUF."""
    local_model_dir: Path = Path("~/.cache/proctor")
    """Where the small model is kept."""
    demo: bool = False
    """Whether a first start makes the demo world. ``make run`` asks for it, unless this says otherwise."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _capitals(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url", "reports_database_url")
    @classmethod
    def _known_database(cls, value: str, told: ValidationInfo) -> str:
        if not value:
            return "" if told.field_name == "reports_database_url" else f"sqlite:///{ROOT / 'data' / 'proctor.db'}"
        if value.startswith("sqlite:///"):
            if value.removeprefix("sqlite:///").partition("?")[0] in ("", ":memory:"):
                raise ValueError("it needs the path of a file, such as sqlite:////var/lib/proctor.db")
            return value
        scheme, colon, rest = value.partition(":")
        if colon and scheme in ("postgres", "postgresql", "postgresql+psycopg"):
            return f"postgresql+psycopg:{rest}"
        raise ValueError("it must start with sqlite:/// or postgresql://")

    @field_validator("redis_url")
    @classmethod
    def _known_redis(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://", "redis+unix://")):
            raise ValueError("it must start with redis://, rediss:// or unix://")
        return value

    @field_validator("flag_provider")
    @classmethod
    def _names_a_factory(cls, value: str | None) -> str | None:
        if value and not _FACTORY.fullmatch(value):
            raise ValueError("write package.module:factory, what makes the provider when it is called")
        return value

    @field_validator(*_READ, mode="before")
    @classmethod
    def _addresses(cls, value: object, info: ValidationInfo) -> object:
        return _READ[info.field_name or ""](value) if isinstance(value, str) else value

    @field_validator("providers", "oidc_providers", mode="before")
    @classmethod
    def _servers(cls, value: object) -> object:
        return {} if isinstance(value, str) else value  # the list itself: NamedThings has read it

    @field_validator(*(f"{name}_api_key" for name in REMOTE))
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            keys_of("it", value.get_secret_value())
        return value

    @field_validator("model_primary", "model_fallback")
    @classmethod
    def _is_set_up(cls, value: str | None, info: ValidationInfo) -> str | None:
        named = (value or "").partition("/")[0]
        if named and named not in PROVIDERS and named not in info.data.get("providers", {}):
            raise ValueError(f"{value!r} does not name a provider that is set up; add {named} to PROVIDERS")
        return value

    @field_validator(*(f"{name}_base_url" for name in REMOTE))
    @classmethod
    def _is_url(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not value.lower().startswith(("http://", "https://")):
            raise ValueError("it must start with http:// or https://")
        usual = PROVIDERS[(info.field_name or "").removesuffix("_base_url")].address
        if value and usual and is_same_address(value, usual):
            return None  # written out, it is no other server
        return value.rstrip("/") if value else value

    @model_validator(mode="after")
    def _can_be_signed_in(self) -> Settings:
        if self.sign_in_header and not self.sign_in_header_from:
            raise ValueError(
                "SIGN_IN_HEADER needs SIGN_IN_HEADER_FROM, the address of the proxy that sets the header: "
                "from anybody else it would let in whoever writes it"
            )
        if self.oidc_providers and self.public_url is None and not self.is_on_loopback:
            raise ValueError("OIDC_PROVIDERS needs PUBLIC_URL: the address to which a provider sends people back")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over secret files, and those over ``.env``."""
        del file_secret_settings  # pydantic's folder of secrets is not used: NAME_FILE is
        files = SecretFiles(settings_cls)
        read = [source for source in (env_settings, dotenv_settings) if isinstance(source, EnvSettingsSource)]
        return init_settings, NamedThings(settings_cls, *read), env_settings, files, dotenv_settings

    @property
    def is_open(self) -> bool:
        """Whether others than those at this machine can use the console while there is nobody who could sign in."""
        return self.without_sign_in == "network"

    @property
    def is_on_loopback(self) -> bool:
        """Whether it listens where nobody but this machine can reach it, and is named so."""
        return is_loopback(self.host) and (self.public_url is None or is_loopback(self.public_url.name))

    @property
    def console_url(self) -> str:
        """The address before the paths of the console, as far as it can be told; a person may know a better one."""
        host = self.host if self.host not in ("0.0.0.0", "::") else "YOUR-SERVER"  # noqa: S104 it is not listened on
        return str(self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}")

    @property
    def backlog_folder(self) -> Path:
        """Where records wait in a file while the database does not take them."""
        if self.backlog_dir is not None:
            return self.backlog_dir.expanduser()
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///").partition("?")[0]).parent
        return ROOT / "data"

    @property
    def own_keys(self) -> OwnKeys:
        """The deployment's own keys."""
        return OwnKeys(hash_keys=self.hash_keys, payload_keys=self.payload_keys)

    def has_provider(self, name: str) -> bool:
        """Whether *name* could be called with what is set up (the local model counts wherever it is not off)."""
        if name in self.providers:
            return True
        if name not in REMOTE:
            return name == "local" and self.runs_local_model
        has_key = bool(PROVIDERS[name].address) and getattr(self, f"{name}_api_key") is not None
        return has_key or getattr(self, f"{name}_base_url") is not None

    @property
    def remote_providers(self) -> tuple[str, ...]:
        """Every provider that is not the local model, set up or not: those that are always named, then the others."""
        return (*REMOTE, *self.providers)

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the keys of one of the providers that are always named; a made-up one where there is none."""
        key: SecretStr | None = getattr(self, f"{name}_api_key")
        given = keys_of(f"{name.upper()}_API_KEY", key.get_secret_value()) if key else ()
        return tuple(one.get_secret_value() for one in given) or ("unused",)

    def key_count(self, name: str) -> int:
        """Return how many keys a remote provider has; a made-up one is none."""
        if name in self.providers:
            return len(self.providers[name].keys)
        return len(self.keys(name)) if getattr(self, f"{name}_api_key") is not None else 0

    def address(self, name: str) -> str:
        """Return where a remote provider is; empty where nobody has said it."""
        if name in self.providers:
            return self.providers[name].address
        return getattr(self, f"{name}_base_url") or PROVIDERS[name].address

    @property
    def runs_local_model(self) -> bool:
        """Whether a small model is to be served by a child process."""
        if self.local_model == "auto":
            remote = any(self.has_provider(name) for name in self.remote_providers)
            named = any((model or "").startswith("local/") for model in (self.model_primary, self.model_fallback))
            return named or not remote
        return self.local_model != "off"

    @property
    def candidates(self) -> tuple[str, ...]:
        """The default route: primary, then fallback, as ``provider/name``."""
        primary = self.model_primary or self._first_model()
        return tuple(dict.fromkeys(model for model in (primary, self.model_fallback) if model))

    def _first_model(self) -> str:
        firsts = [(name, listed.first_model) for name, listed in PROVIDERS.items() if listed.first_model]
        *tried, last = firsts
        named = [(name, server.models[0]) for name, server in self.providers.items() if server.models]
        return "/".join(next((one for one in (*tried, *named) if self.has_provider(one[0])), last))


def load(env_file: Path | None = ROOT / ".env") -> Settings:
    """Read the settings.

    Raises:
        Misconfigured: a value is bad; one sentence names the variable, what is wrong and never the value.

    """
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue] pydantic-settings adds the argument
    except SettingsError as error:
        raise Misconfigured(str(error.__cause__ or error)) from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # it is about several, and names them
            raise Misconfigured(f"{said}.") from None
        raise Misconfigured(f"{str(first['loc'][0]).upper()} is not usable: {said}.") from None


def environment() -> dict[str, str]:
    """Return a copy of the environment, for a child process."""
    return dict(os.environ)
