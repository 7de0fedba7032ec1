"""Servers that a deployment names: how they are said in the environment, and what is told where one cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from core.servers import PROVIDERS, RECIPES, is_provider, provider_of, recipe_of
from core.settings import ROOT, Settings, load

KINDS = sorted(RECIPES)
RUNNING = (ROOT / "docs" / "run.md").read_text()


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    """Return the settings that this environment, and no file, makes."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load(None)


def test_a_server_is_what_its_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name leads to its variables; what it leaves out its kind says."""
    settings = loaded(
        monkeypatch,
        PROVIDERS="groq, azure-eu,\ncompatible-lab",
        GROQ_API_KEY="gsk-one gsk-two,gsk-one",
        AZURE_EU_BASE_URL="https://eu.openai.azure.com/",
        AZURE_EU_API_KEY="az",
        AZURE_EU_API_VERSION="2024-10-21",
        COMPATIBLE_LAB_BASE_URL="http://lab:8000/v1",
        COMPATIBLE_LAB_DIALECT="messages",
        COMPATIBLE_LAB_HEADERS='{"x-team": "blue"}',
        COMPATIBLE_LAB_MODELS="qwen, llama",
    )
    groq, azure, lab = settings.providers.values()

    assert settings.remote_providers[-3:] == ("groq", "azure-eu", "compatible-lab")
    assert all(map(settings.has_provider, settings.providers))
    assert [key.get_secret_value() for key in groq.keys] == ["gsk-one", "gsk-two"]
    assert (groq.address, groq.dialect) == ("https://api.groq.com/openai/v1", "chat")
    assert (azure.address, azure.api_version) == ("https://eu.openai.azure.com", "2024-10-21")
    assert (lab.dialect, lab.models) == ("messages", ("qwen", "llama"))
    assert lab.headers["x-team"].get_secret_value() == "blue"
    assert settings.candidates == ("compatible-lab/qwen",), "the first model that somebody here has"
    assert "gsk" not in repr(settings)
    assert "blue" not in repr(settings)


def test_variables_come_from_files_and_from_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment goes before the file that it names, and this before ``.env``, for each variable by itself."""
    (tmp_path / "key").write_text("from-file\n")
    env = tmp_path / ".env"
    env.write_text("PROVIDERS=groq,mistral,xai\nGROQ_API_KEY=env\nMISTRAL_API_KEY=env\nXAI_API_KEY=env\n")
    monkeypatch.setenv("GROQ_API_KEY", "own")
    monkeypatch.setenv("MISTRAL_API_KEY_FILE", str(tmp_path / "key"))
    keys = {name: one.keys[0].get_secret_value() for name, one in load(env).providers.items()}

    assert keys == {"groq": "own", "mistral": "from-file", "xai": "env"}


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PROVIDERS": "acme"}, "PROVIDERS lists 'acme', which is no name of a server: one begins with its kind"),
        ({"PROVIDERS": "Groq"}, "PROVIDERS lists 'Groq', which is no name"),
        ({"PROVIDERS": "groq-"}, "PROVIDERS lists 'groq-', which is no name"),
        ({"PROVIDERS": "local-b"}, "PROVIDERS lists 'local-b', which is no name"),
        ({"PROVIDERS": "openai"}, "PROVIDERS lists openai, which is always there"),
        ({"PROVIDERS": "groq,groq"}, "PROVIDERS lists groq twice; a second server of a kind has a name such as groq-2"),
        ({"PROVIDERS": "groq"}, "groq needs GROQ_API_KEY, or GROQ_API_KEY_FILE"),
        ({"PROVIDERS": "azure-b", "AZURE_B_API_KEY": "secret"}, "azure-b needs AZURE_B_BASE_URL: where the server is"),
        ({"PROVIDERS": "vertex", "VERTEX_API_KEY": "secret"}, "vertex needs VERTEX_REGION: the region"),
        ({"PROVIDERS": "groq", "GROQ_API_KEY": "secret\x07"}, "GROQ_API_KEY is not usable: a key has printable"),
        ({"PROVIDERS": "groq", "GROQ_API_KEY": ",".join(map(str, range(51)))}, "GROQ_API_KEY holds 51 keys"),
        ({"PROVIDERS": "groq", "GROQ_DIALECT": "messages"}, "GROQ_DIALECT is 'messages'; Groq speaks chat"),
        ({"PROVIDERS": "groq", "GROQ_BASE_URL": "api.groq.com"}, "GROQ_BASE_URL is not usable: it must start with"),
        ({"PROVIDERS": "groq", "GROQ_BASE_URL": "https://u:secret@h"}, "GROQ_BASE_URL is not usable: an address holds"),
        ({"PROVIDERS": "groq", "GROQ_HEADERS": "secret"}, "GROQ_HEADERS is not usable: it is a JSON object"),
        ({"PROVIDERS": "groq", "GROQ_HEADERS": '{"x": 1}'}, "GROQ_HEADERS is not usable: 'x' is no header"),
        ({"PROVIDERS": "groq", "GROQ_HEADERS": '{"Authorization": "secret"}'}, "Authorization is ours to say"),
        ({"PROVIDERS": "azure", "AZURE_API_VERSION": "a/b?secret"}, "AZURE_API_VERSION is not usable: it is one word"),
        ({"PROVIDERS": "groq", "GROQ_API_KEY_FILE": "/no/such"}, "GROQ_API_KEY_FILE names '/no/such', which cannot"),
        ({"OPENAI_API_KEY": "é"}, "OPENAI_API_KEY is not usable"),
        (
            {"MODEL_PRIMARY": "groq/llama"},
            "MODEL_PRIMARY is not usable: 'groq/llama' does not name a provider that is set up; add groq to PROVIDERS.",
        ),
    ],
)
def test_what_cannot_be_stops_the_start(
    environment: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence says which variable is wrong, and how; it never shows a value that may be secret."""
    with pytest.raises(Misconfigured) as refused:
        loaded(monkeypatch, **environment)

    assert sentence in refused.value.message
    assert "secret" not in refused.value.message


@given(kind=st.sampled_from(KINDS), word=st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True))
def test_a_name_says_its_kind(kind: str, word: str) -> None:
    """Whatever follows a kind, it stays that kind, or one whose own name begins with it; any model may have a slash."""
    found = recipe_of(f"{kind}-{word}")

    assert found in [recipe for name, recipe in RECIPES.items() if name.startswith(kind)]
    assert recipe_of(kind) is RECIPES[kind]
    assert provider_of(f"{kind}-{word}/meta/llama") == (f"{kind}-{word}", "meta/llama")


@pytest.mark.parametrize(
    "name", ["", "-", "groq-", "-groq", "groq--eu", "groq_eu", "Groq", "groqs", "groq-é", "x-groq"]
)
def test_other_names_are_nobody_s(name: str) -> None:
    """What is written otherwise is no provider, so a slip of the pen is told wherever a provider is named."""
    assert not is_provider(name)
    with pytest.raises(ValueError, match="does not name a provider"):
        provider_of(f"{name}/model")


def test_every_kind_is_documented() -> None:
    """The table of kinds has each that may be listed or is always there, with the address of its documentation."""
    table = re.search(r"^\| kind \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", RUNNING, re.MULTILINE)
    assert table
    rows = {line.split("`")[1]: line for line in table[1].splitlines()}

    assert rows.keys() == RECIPES.keys() - {"local"}
    assert all(recipe.documentation in rows[name] for name, recipe in RECIPES.items() if name != "local")
    assert set(PROVIDERS) < set(RECIPES)
