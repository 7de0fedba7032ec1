"""Settings: what may be said in the environment, in secret files and in ``.env``, and how a bad value is told."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from core.errors import Misconfigured
from core.servers import provider_of
from core.settings import ROOT, Settings, load


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    """Return the settings that this environment, and no file, makes."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(None)


@pytest.mark.parametrize(
    ("variable", "value", "field", "meant"),
    [
        ("MODEL_PRIMARY", "openai/gpt-4o", "model_primary", "openai/gpt-4o"),
        ("MODEL_PRIMARY", "gpt-4o-mini", "model_primary", "openai/gpt-4o-mini"),
        ("MODEL_PRIMARY", "o3", "model_primary", "openai/o3"),
        ("MODEL_PRIMARY", " claude-3-5-haiku-latest ", "model_primary", "anthropic/claude-3-5-haiku-latest"),
        ("MODEL_PRIMARY", "compatible/meta-llama/Llama-3", "model_primary", "compatible/meta-llama/Llama-3"),
        ("MODEL_PRIMARY", "", "model_primary", None),
        ("MODEL_FALLBACK", "smollm2", "model_fallback", "local/smollm2"),
        ("MAX_RETRIES", "0", "max_retries", 0),
        ("MAX_RETRIES", "10", "max_retries", 10),
        ("RATE_LIMIT_PER_MIN", "1", "rate_limit_per_min", 1),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_LEVEL", "", "log_level", "INFO"),
        ("PORT", "65535", "port", 65535),
        ("DATABASE_URL", "", "database_url", f"sqlite:///{ROOT / 'data' / 'proctor.db'}"),
        ("DATABASE_URL", "sqlite:////tmp/a.db", "database_url", "sqlite:////tmp/a.db"),
        ("DATABASE_URL", "postgres://u:p@h/d", "database_url", "postgresql+psycopg://u:p@h/d"),
        ("DATABASE_URL", "postgresql://u:p@h/d", "database_url", "postgresql+psycopg://u:p@h/d"),
        ("DATABASE_URL", "postgresql+psycopg://h/d", "database_url", "postgresql+psycopg://h/d"),
        ("REDIS_URL", "redis://h:1/2", "redis_url", "redis://h:1/2"),
        ("REDIS_URL", "unix:///run/redis", "redis_url", "unix:///run/redis"),
        ("OPENAI_BASE_URL", "http://localhost:11434/v1/", "openai_base_url", "http://localhost:11434/v1"),
        ("OPENAI_API", "responses", "openai_api", "responses"),
        ("DEMO", "true", "demo", True),
        ("DEMO", "", "demo", False),
        ("ATTEMPT_TIMEOUT_SECONDS", "0.5", "attempt_timeout_seconds", 0.5),
    ],
)
def test_good_values(variable: str, value: str, field: str, meant: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is read as a person means it; an empty one is as none."""
    assert getattr(loaded(monkeypatch, **{variable: value}), field) == meant


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("MODEL_PRIMARY", "llama", "'llama' does not name a provider; write it as provider/name with one of"),
        ("MODEL_PRIMARY", "openai/", "'openai/' does not name a provider"),
        ("MODEL_FALLBACK", "mistral/large", "'mistral/large' does not name a provider"),
        ("MAX_RETRIES", "-1", "greater than or equal to 0"),
        ("MAX_RETRIES", "11", "less than or equal to 10"),
        ("MAX_RETRIES", "two", "valid integer"),
        ("RATE_LIMIT_PER_MIN", "0", "greater than 0"),
        ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("PORT", "0", "greater than or equal to 1"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("DATABASE_URL", "mysql://h/d", "it must start with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite://", "it must start with sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite:///:memory:", "it needs the path of a file"),
        ("DATABASE_URL", "sqlite:///", "it needs the path of a file"),
        ("REDIS_URL", "localhost:6379", "it must start with redis://"),
        ("ANALYTICS_URL", "localhost:8123", "it must start with clickhouse://"),
        ("ANALYTICS_URL", "clickhouse://h:port/db", "it names no host and port"),
        ("OPENAI_BASE_URL", "localhost:11434/v1", "it must start with http:// or https://"),
        ("ANTHROPIC_BASE_URL", "ftp://h", "it must start with http:// or https://"),
        ("OPENAI_API", "assistants", "'chat' or 'responses'"),
        ("DEADLINE_SECONDS", "0", "greater than 0"),
        ("CONCURRENCY", "many", "valid integer"),
        ("DEMO", "perhaps", "valid boolean"),
    ],
)
def test_bad_values(variable: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad value stops the start with one sentence that names the variable."""
    with pytest.raises(Misconfigured) as stopped:
        loaded(monkeypatch, **{variable: value})

    assert stopped.value.message.startswith(f"{variable} is not usable: ")
    assert sentence in stopped.value.message
    assert "\n" not in stopped.value.message


LAB = {
    "OIDC_PROVIDERS": "lab",
    "OIDC_LAB_ISSUER": "https://lab.example",
    "OIDC_LAB_CLIENT_ID": "proctor",
    "PUBLIC_URL": "https://console.example",
}
"""What one provider of people needs."""


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"OIDC_PROVIDERS": "Lab"}, "OIDC_PROVIDERS lists 'Lab': a name has small letters, digits and dashes"),
        ({"OIDC_PROVIDERS": "password"}, "OIDC_PROVIDERS lists 'password': a name has"),
        ({"OIDC_PROVIDERS": "lab,lab"}, "OIDC_PROVIDERS lists lab twice; another one of its kind has a name such as"),
        ({"OIDC_PROVIDERS": ",".join(f"lab-{n}" for n in range(21))}, "OIDC_PROVIDERS lists 21 providers; at most 20"),
        (
            {
                "OIDC_PROVIDERS": "lab,lab-2",
                "OIDC_LAB_2_ISSUER": "https://lab.example",
                "OIDC_LAB_2_CLIENT_ID": "other",
            },
            "OIDC_PROVIDERS lists two providers with the issuer of lab; one is enough.",
        ),
        ({"OIDC_LAB_CLIENT_ID": ""}, "OIDC_PROVIDERS lists lab, which needs OIDC_LAB_CLIENT_ID: what it calls"),
        ({"OIDC_LAB_ISSUER": ""}, "OIDC_LAB_ISSUER is missing: the address that the provider's tokens name"),
        ({"OIDC_LAB_ISSUER": "lab.example"}, "OIDC_LAB_ISSUER is not usable: it must start with https://."),
        ({"OIDC_LAB_ISSUER": "http://lab.example"}, "OIDC_LAB_ISSUER is not usable: it must start with https://."),
        ({"OIDC_LAB_ISSUER": "https://a:hunter2@lab.example"}, "an issuer is an address without a password"),
        ({"OIDC_LAB_ISSUER": "https://lab.example?x=hunter2"}, "an issuer is an address without a password, query"),
        (
            {"OIDC_LAB_ISSUER": "https://login.microsoftonline.com/common/v2.0"},
            "OIDC_LAB_ISSUER is that of any organisation: name your own by its id",
        ),
        ({"OIDC_LAB_SCOPES": "profile email"}, "OIDC_LAB_SCOPES is not usable: openid must be among the scopes"),
        ({"OIDC_LAB_ROLES": "ops"}, "OIDC_LAB_ROLES is not usable: write group=role, or group=role@tenant, with"),
        ({"OIDC_LAB_ROLES": "ops=boss"}, "OIDC_LAB_ROLES is not usable: write group=role, or group=role@tenant"),
        ({"OIDC_LAB_ROLES": "=viewer"}, "OIDC_LAB_ROLES is not usable: write group=role"),
        ({"OIDC_LAB_ROLES": "ops=viewer@"}, "OIDC_LAB_ROLES is not usable: write group=role"),
        ({"OIDC_LAB_ROLES": "ops=viewer,ops=admin"}, "OIDC_LAB_ROLES is not usable: it gives one group two roles in"),
        (
            {"OIDC_LAB_ROLES": "ops=viewer@Acme,ops=admin@Acme"},
            "OIDC_LAB_ROLES is not usable: it gives one group two roles in the same place.",
        ),
        (
            {"PUBLIC_URL": "", "HOST": "192.0.2.1"},
            "OIDC_PROVIDERS needs PUBLIC_URL: the address to which a provider sends people back.",
        ),
        ({"SIGN_IN_HEADER": "X-User"}, "SIGN_IN_HEADER needs SIGN_IN_HEADER_FROM, the address of the proxy that sets"),
        ({"SIGN_IN_HEADER": "X_User"}, "SIGN_IN_HEADER is not usable: it is the name of the header in which the proxy"),
        ({"SIGN_IN_HEADER": "Cookie"}, "SIGN_IN_HEADER is not usable: it is the name of the header in which the proxy"),
        ({"SIGN_IN_HEADER_FROM": "proxy.example"}, "SIGN_IN_HEADER_FROM is not usable: "),
        ({"SIGN_IN_HEADER_FROM": "10.0.0.1/99"}, "SIGN_IN_HEADER_FROM is not usable: "),
        ({"SIGN_IN_IDLE_HOURS": "0"}, "SIGN_IN_IDLE_HOURS is not usable: "),
        ({"SIGN_IN_DAYS": "366"}, "SIGN_IN_DAYS is not usable: "),
        ({"WITHOUT_SIGN_IN": "anybody"}, "WITHOUT_SIGN_IN is not usable: "),
        ({"FLAG_PROVIDER": "flagd"}, "FLAG_PROVIDER is not usable: write package.module:factory"),
        ({"FLAG_PROVIDER_MS": "0"}, "FLAG_PROVIDER_MS is not usable: "),
    ],
    ids=str,
)
def test_what_says_who_comes_in_is_told_where_it_is_bad(
    given: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bad value of sign-in stops the start with one sentence, which names the variable and what to do."""
    with pytest.raises(Misconfigured) as stopped:
        loaded(monkeypatch, **LAB | given)

    assert sentence in stopped.value.message
    assert "\n" not in stopped.value.message
    assert stopped.value.message.endswith(".")
    assert "hunter2" not in stopped.value.message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://user:hunter2@h/d"),
        ("REDIS_URL", "rediss-typo://:hunter2@h"),
        ("ANALYTICS_URL", "clickhouse://ann:hunter2@h:port/db"),
        ("OPENAI_BASE_URL", "user:hunter2@h"),
        ("MAX_RETRIES", "hunter2"),
    ],
)
def test_the_sentence_never_holds_the_value(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written by mistake may be a secret; it is not repeated."""
    with pytest.raises(Misconfigured) as stopped:
        loaded(monkeypatch, **{variable: value})

    assert "hunter2" not in f"{stopped.value!r} {stopped.value.__cause__!r}"


def test_keys_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings shows no key."""
    settings = loaded(
        monkeypatch, OPENAI_API_KEY="sk-canary-1", ANTHROPIC_API_KEY="sk-canary-2", COMPATIBLE_API_KEY="sk-canary-3"
    )

    assert "canary" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-canary-1"


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``NAME_FILE`` names a file that holds the value, as secret managers mount it, for any setting."""
    (tmp_path / "key").write_text("sk-from-file\n")
    (tmp_path / "port").write_text("9000")
    settings = loaded(monkeypatch, OPENAI_API_KEY_FILE=str(tmp_path / "key"), PORT_FILE=str(tmp_path / "port"))

    assert settings.openai_api_key is not None
    assert (settings.openai_api_key.get_secret_value(), settings.port) == ("sk-from-file", 9000)


def test_the_environment_wins_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wins over a secret file, and that over ``.env``."""
    (tmp_path / "file").write_text("7")
    (tmp_path / "env").write_text("MAX_RETRIES=3\nPORT=1111\nLOG_LEVEL=ERROR\n")
    monkeypatch.setenv("PORT", "2222")
    monkeypatch.setenv("MAX_RETRIES_FILE", str(tmp_path / "file"))

    settings = load(tmp_path / "env")

    assert (settings.port, settings.max_retries, settings.log_level) == (2222, 7, "ERROR")


@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_a_secret_file_that_cannot_be_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there, or not text, stops the start with a sentence that names variable and path."""
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir()
    if kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match=r"^OPENAI_API_KEY_FILE names .*secret', which cannot be read"):
        loaded(monkeypatch, OPENAI_API_KEY_FILE=str(path))


def test_the_env_file_is_read(tmp_path: Path) -> None:
    """Comments, quotes and unknown names in ``.env`` do no harm; lower case works as well."""
    file = tmp_path / ".env"
    file.write_text("# a comment\nOPENAI_API_KEY='sk-quoted'\nSOMETHING_ELSE=1\nmax_retries=4\n\nexport PORT=8600\n")
    settings = load(file)

    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-quoted"
    assert (settings.max_retries, settings.port) == (4, 8600)


def test_a_bad_value_in_the_env_file_is_told_the_same(tmp_path: Path) -> None:
    """Where a value stands makes no difference to the sentence."""
    file = tmp_path / ".env"
    file.write_text("PORT=zero\n")
    with pytest.raises(Misconfigured, match=r"^PORT is not usable: "):
        load(file)


def test_without_an_env_file_the_defaults_hold(tmp_path: Path) -> None:
    """No file is no fault."""
    assert load(tmp_path / "nothing") == load(None)
    assert not (tmp_path / "nothing").exists()
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


# ── What follows from them ────────────────────────────────────────────────────────────────────────────────────────────

KEYS: dict[str, Any] = {"openai_api_key": "a", "anthropic_api_key": "b"}


@pytest.mark.parametrize(
    ("given", "candidates"),
    [
        ({}, ("local/smollm2",)),
        ({"openai_api_key": "a"}, ("openai/gpt-4o-mini",)),
        ({"anthropic_api_key": "b"}, ("anthropic/claude-haiku-4-5",)),
        (KEYS, ("openai/gpt-4o-mini",)),
        (KEYS | {"model_fallback": "claude-haiku-4-5"}, ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5")),
        (KEYS | {"model_primary": "gpt-4o", "model_fallback": "openai/gpt-4o"}, ("openai/gpt-4o",)),
        ({"openai_base_url": "http://localhost/v1"}, ("openai/gpt-4o-mini",)),
    ],
)
def test_who_answers(given: dict[str, Any], candidates: tuple[str, ...]) -> None:
    """The default route is primary and fallback; without a primary, the first provider that is set up."""
    assert Settings(**given).candidates == candidates


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        ({}, True),
        ({"openai_api_key": "a"}, False),
        ({"openai_api_key": "a", "model_fallback": "smollm2"}, True),
        ({"openai_api_key": "a", "local_model": "on"}, True),
        ({"local_model": "off"}, False),
        ({"compatible_base_url": "http://localhost/v1"}, False),
        ({"openai_api_key": "a", "local_model": "/models/a.gguf"}, True),
    ],
)
def test_when_the_local_model_runs(*, given: dict[str, Any], runs: bool) -> None:
    """The small model stands in where no provider is set up, or where it is asked for."""
    settings = Settings(**given)
    assert settings.runs_local_model is settings.has_provider("local") is runs


@pytest.mark.parametrize("model", ["gpt-4o", "GPT-4o", "chatgpt-4o-latest", "o1-mini", "o4-mini", "codex-mini-latest"])
def test_bare_names_of_openai(model: str) -> None:
    """A bare name of OpenAI's families needs no provider before it; its letters stay as they are."""
    assert provider_of(model) == ("openai", model)


@pytest.mark.parametrize("model", ["", "/", "/gpt", "olive", "llama/", "open ai/gpt-4o"])
def test_what_names_no_provider(model: str) -> None:
    """What cannot be told is refused with the way to write it."""
    with pytest.raises(ValueError, match="write it as provider/name with one of openai, anthropic, compatible, local"):
        provider_of(model)
