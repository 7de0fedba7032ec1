"""What a vendor stores belongs to the tenant that made it: by the vendors' own SDKs, at a vendor that stores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from pydantic import SecretStr

from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from tests.core.api.conftest import House, api_settings
from tests.core.api.test_relays import openai_at
from tests.grounds import rows_of
from tests.wire.server import WireServer, key_hash

ASKED: dict[str, Any] = {"model": "gpt-4o-mini", "input": "Bern has many inhabitants. [[ok]]"}
KEYS = ("sk-provider-canary-4711", "sk-provider-canary-4712")


@pytest.fixture
def settings(sqlite_url: str, wire: WireServer) -> Settings:
    """OpenAI is asked over its Responses API."""
    return api_settings(sqlite_url, wire).model_copy(update={"openai_api": "responses"})


@pytest.fixture
def other(house: House) -> House:
    """Another tenant of the same Proctor, whose calls go out under the same provider keys."""
    tenant = house.runtime.tenants.create(LOCAL_OPERATOR, "Bolt")
    return replace(house, tenant=tenant, key=house.runtime.tenants.create_key(LOCAL_OPERATOR, tenant).secret)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [None, True])
def test_a_conversation_goes_on_from_what_was_stored(house: House, url: str, *, stream: bool, store: Any) -> None:
    """OpenAI's SDK names the last response, whole or streamed, and the vendor goes on from it.

    It is stored unless the caller says otherwise, as at the vendor's own door.
    """
    client = openai_at(house, url)
    asked = ASKED if store is None else ASKED | {"store": store}
    if stream:
        with client.responses.stream(**asked) as events:
            first = events.get_final_response()
    else:
        first = client.responses.create(**asked)
    second = client.responses.create(model="gpt-4o-mini", input="Go on. [[ok]]", previous_response_id=first.id)
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    third = client.responses.create(model="gpt-4o-mini", input="On.", previous_response_id=second.id, stream=True)
    assert [event.type for event in third][-1] == "response.completed"


def named(response_id: str, item_id: str) -> list[dict[str, Any]]:
    """Return requests that name what another has stored."""
    return [
        ASKED | {"previous_response_id": response_id},
        ASKED | {"previous_response_id": response_id, "stream": True},
        ASKED | {"input": [{"type": "item_reference", "id": item_id}, {"role": "user", "content": "Go on."}]},
        ASKED | {"input": [{"id": item_id}, {"role": "user", "content": "Go on."}]},
        ASKED | {"input": [{"type": "reasoning", "id": item_id, "summary": []}, {"role": "user", "content": "On."}]},
    ]


def test_another_tenant_s_is_not_there(house: House, other: House, url: str) -> None:
    """Who names another tenant's response, or an item of it, is told what he is told of one that never was.

    Nobody is asked.
    """
    made = openai_at(house, url).responses.create(**ASKED)
    count = len(house.wire.ledger.calls())
    for stolen, invented in zip(
        named(made.id, made.output[0].id or ""), named("resp_99999999", "msg_99999999"), strict=True
    ):
        told: list[tuple[int, str]] = []
        for body, names in (
            (stolen, (made.id, made.output[0].id or "")),
            (invented, ("resp_99999999", "msg_99999999")),
        ):
            answer = httpx2.post(f"{url}/v1/responses", json=body, headers=other.headers, timeout=30)
            text = answer.text
            for name in names:
                text = text.replace(name, "…")
            told.append((answer.status_code, text))
        assert told[0] == told[1]
        assert told[0][0] == 404
        assert "not found" in told[0][1]
    assert len(house.wire.ledger.calls()) == count
    with pytest.raises(openai.NotFoundError) as refused:
        openai_at(other, url).responses.create(**ASKED, previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


def test_what_was_not_to_be_stored_is_nobody_s(house: House, url: str) -> None:
    """With ``store: false`` nothing is written down, and who goes on from it is told before anybody is asked."""
    client = openai_at(house, url)
    made = client.responses.create(**ASKED, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(**ASKED, previous_response_id=made.id)
    assert len(house.wire.ledger.calls()) == 1


def ruled(house: House, rule: str) -> None:
    """Give the tenant a rule on what vendors store."""
    tenant = house.runtime.tenants.find(LOCAL_OPERATOR, house.tenant.name)
    house.runtime.tenants.edit(LOCAL_OPERATOR, tenant.id, tenant.version, vendor_storage=rule)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [None, True, False])
def test_where_it_is_off_nothing_is_stored(house: House, url: str, *, stream: bool, store: Any) -> None:
    """The answer is the caller's; the vendor has none of it, nobody can go on from it, and the trace says why."""
    ruled(house, "off")
    asked = ASKED if store is None else ASKED | {"store": store}
    client = openai_at(house, url)
    answer = client.responses.with_raw_response.create(**asked, stream=stream)
    made = answer.parse()
    if stream:
        made = next(event.response for event in made if event.type == "response.completed")
    assert made.output_text
    straight = openai.OpenAI(api_key=KEYS[0], base_url=house.wire.openai_url, max_retries=0)
    with pytest.raises(openai.NotFoundError):
        straight.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(**ASKED, previous_response_id=made.id)
    assert not any(row.startswith("stored_object ") for row in rows_of(house.runtime.store))
    told = httpx2.get(
        f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=30
    ).json()
    assert any(step["verdict"] == "unstored" for step in told["trace"]) is (store is not False)


CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Bern. [[ok]]"}]}
THREAD: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Bern. [[ok]]"}],
    "thread": {"type": "new"},
}


@pytest.mark.parametrize(
    ("rule", "path", "body", "member"),
    [
        ("refused", "responses", ASKED, "store"),
        ("refused", "responses", ASKED | {"store": None, "stream": True}, "store"),
        ("refused", "chat/completions", CHAT | {"store": True}, "store"),
        ("refused", "messages", THREAD, "thread"),
        ("off", "messages", THREAD, "thread"),
    ],
)
def test_what_would_be_stored_is_refused(
    *, rule: str, path: str, body: dict[str, Any], member: str, house: House, url: str
) -> None:
    """Before anybody is asked, in a sentence that names the member, what to do and whose rule it is."""
    ruled(house, rule)
    answer = httpx2.post(f"{url}/v1/{path}", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert f"'{member}'" in error["message"]
    assert house.tenant.name in error["message"]
    assert error.get("param", member) == member
    assert not house.wire.ledger.calls()


@pytest.mark.parametrize(("path", "body"), [("responses", ASKED | {"store": False}), ("messages", THREAD)])
def test_what_would_not_be_stored_is_not_refused(path: str, body: dict[str, Any], house: House, url: str) -> None:
    """Nor is anything where the caller decides."""
    ruled(house, "caller" if path == "messages" else "refused")
    answer = httpx2.post(f"{url}/v1/{path}", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 200, answer.text


NOBODYS: list[tuple[str, dict[str, Any], str]] = [
    ("responses", ASKED | {"conversation": "conv_A"}, "conversation"),
    ("responses", ASKED | {"conversation": {"id": "conv_A"}}, "conversation"),
    ("responses", ASKED | {"prompt": {"id": "pmpt_A"}}, "prompt"),
    ("responses", ASKED | {"tools": [{"type": "file_search", "vector_store_ids": ["vs_A"]}]}, "tools[0]"),
    ("responses", ASKED | {"tools": [{"type": "code_interpreter", "container": "cntr_A"}]}, "tools[0].container"),
    (
        "responses",
        ASKED | {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file_A"]}}]},
        "tools[0]",
    ),
    (
        "responses",
        ASKED | {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file_A"}]}]},
        "input",
    ),
    (
        "chat/completions",
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file_A"}}]}],
        },
        "messages",
    ),
    (
        "chat/completions",
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "assistant", "audio": {"id": "audio_A"}}, {"role": "user", "content": "x"}],
        },
        "messages[0].audio",
    ),
]
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
NOBODYS += [
    ("messages", CLAUDE | {"container": "cntr_A"}, "container"),
    (
        "messages",
        CLAUDE | {"container": {"skills": [{"type": "custom", "skill_id": "skill_A"}]}},
        "container",
    ),
    ("messages", CLAUDE | {"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "Thread not found"),
    (
        "messages",
        CLAUDE
        | {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "document", "source": {"type": "file", "file_id": "file_011A"}}],
                }
            ]
        },
        "messages",
    ),
    (
        "messages",
        CLAUDE | {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "file_011A"}]}]},
        "messages",
    ),
]


@pytest.mark.parametrize(("path", "body", "where"), NOBODYS)
def test_what_is_not_written_down_is_refused(
    path: str, body: dict[str, Any], where: str, house: House, url: str
) -> None:
    """Files, containers, vector stores, conversations, prompts, skills and threads that nobody made are not there.

    The sentence says where they are named, and nobody is asked.
    """
    answer = httpx2.post(f"{url}/v1/{path}", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 404, answer.text
    error = answer.json()["error"]
    assert where in error["message"]
    assert "not found" in error["message"].lower()
    assert error.get("param", where) == where
    assert not house.wire.ledger.calls()


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "Bern."}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"},
    ],
)
def test_what_the_caller_has_himself_is_no_reference(item: dict[str, Any], house: House, url: str) -> None:
    """An item that comes whole needs nothing that is stored, whatever id it bears."""
    body = ASKED | {"input": [item, {"role": "user", "content": "Go on. [[ok]]"}], "store": False}
    answer = httpx2.post(f"{url}/v1/responses", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 200, answer.text


class TestTwoKeys:
    """A provider with two keys of different accounts, which take turns."""

    @pytest.fixture
    def settings(self, sqlite_url: str, wire: WireServer) -> Settings:
        """OpenAI has two keys."""
        keys = ",".join(KEYS)
        return api_settings(sqlite_url, wire).model_copy(
            update={"openai_api": "responses", "openai_api_key": SecretStr(keys)}
        )

    def test_a_continuation_goes_to_the_key_that_has_it(self, house: House, url: str) -> None:
        """Whoever's turn it is, what was stored under a key is asked for under that key, and the trace says so."""
        client = openai_at(house, url)
        used: set[str] = set()
        for _ in range(2):
            made = client.responses.create(**ASKED)
            account = house.wire.ledger.calls()[-1].key_hash
            used.add(account)
            for _ in range(3):
                answer = client.responses.with_raw_response.create(**ASKED, previous_response_id=made.id)
                assert house.wire.ledger.calls()[-1].key_hash == account
                made = answer.parse()
            told = httpx2.get(
                f"{url}/v1/generations/{answer.headers['x-proctor-generation-id']}", headers=house.headers, timeout=30
            ).json()
            assert any(step["verdict"] == "bound" for step in told["trace"])
        assert used == {key_hash(key) for key in KEYS}

    def test_what_is_kept_by_a_key_that_is_gone_is_an_error(self, house: House, url: str) -> None:
        """No other key is asked: it could not have it."""
        made = openai_at(house, url).responses.create(**ASKED)
        with house.runtime.store.transaction() as cursor:
            cursor.execute("UPDATE stored_object SET key_digest = 'gone'")
        count = len(house.wire.ledger.calls())
        with pytest.raises(openai.APIStatusError, match="not set here any more"):
            openai_at(house, url).responses.create(**ASKED, previous_response_id=made.id)
        assert len(house.wire.ledger.calls()) == count


def test_no_other_provider_can_go_on(house: House, url: str) -> None:
    """Who names a model of another provider together with what one has stored is told whom to name."""
    made = openai_at(house, url).responses.create(**ASKED)
    body = {"model": "anthropic/claude-haiku-4-5", "input": "On.", "previous_response_id": made.id}
    answer = httpx2.post(f"{url}/v1/responses", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 400
    assert "stored by openai" in answer.json()["error"]["message"]


def test_a_stored_response_is_read_and_deleted_by_its_owner(house: House, url: str) -> None:
    """OpenAI's SDK reads it again, lists what was asked, is told that it cannot be cancelled, and deletes it."""
    client = openai_at(house, url)
    made = client.responses.create(**ASKED)
    count = len(house.wire.ledger.calls())
    again = client.responses.retrieve(made.id)
    assert again.output_text == made.output_text
    listed = client.responses.input_items.list(made.id, limit=5, order="asc")
    assert [one.type for one in listed.data] == ["message"]
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    for gone in (client.responses.retrieve, client.responses.delete):
        with pytest.raises(openai.NotFoundError):
            gone(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.create(**ASKED, previous_response_id=made.id)
    assert len(house.wire.ledger.calls()) == count


BELOW = [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")]


@pytest.mark.parametrize(("method", "part"), BELOW)
def test_nobody_else_is_told_of_it(method: str, part: str, house: House, other: House, url: str) -> None:
    """Another tenant is answered as if it were not there, and its owner still has it."""
    made = openai_at(house, url).responses.create(**ASKED)
    told: list[tuple[int, str]] = []
    for name in (made.id, "resp_99999999"):
        answer = httpx2.request(method, f"{url}/v1/responses/{name}{part}", headers=other.headers, timeout=30)
        told.append((answer.status_code, answer.text.replace(name, "...")))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert openai_at(house, url).responses.retrieve(made.id).id == made.id


def test_a_stored_response_does_not_come_as_a_stream(house: House, url: str) -> None:
    """Only what runs in the background could, which is refused."""
    made = openai_at(house, url).responses.create(**ASKED)
    with pytest.raises(openai.BadRequestError, match="comes whole"):
        list(openai_at(house, url).responses.retrieve(made.id, stream=True))
    with pytest.raises(openai.BadRequestError, match="background"):
        openai_at(house, url).responses.create(**ASKED, background=True)


def test_a_name_that_leads_elsewhere_is_no_response(house: House, url: str) -> None:
    """Whatever stands in the path is never a part of the vendor's address."""
    for name in ("..%2Fmodels", "resp%3Fx", "a%2F..%2Fb", "%00", "x" * 300):
        answer = httpx2.get(f"{url}/v1/responses/{name}", headers=house.headers, timeout=30)
        assert answer.status_code == 404


def test_keys_for_other_servers_are_kept_nowhere(house: House, url: str) -> None:
    """They go to the vendor as they came; no row of any table has them, prompts included."""
    body = ASKED | {
        "tools": [
            {
                "type": "mcp",
                "server_label": "z",
                "server_url": "https://actions.example/mcp/KEY-123456/sse",
                "authorization": "Bearer T1-secret-word",
                "headers": {"x-tenant": "T2-secret-word"},
            }
        ],
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Bern. [[ok]]"},
                    {"type": "input_file", "file_url": "https://files.example/a.pdf?sig=T4-secret-word"},
                ],
            },
            {"type": "mcp_call", "id": "mcp_1", "output": "x", "authorization": "T3-secret-word"},
        ],
    }
    answer = httpx2.post(f"{url}/v1/responses", json=body, headers=house.headers, timeout=30)
    assert answer.status_code == 200, answer.text
    [call] = house.wire.ledger.calls()
    sent, secrets = str(call.request), ("T1-secret-word", "T2-secret-word", "T3-secret-word", "T4-secret-word")
    assert all(one in sent for one in (*secrets, "KEY-123456"))
    kept = str(rows_of(house.runtime.store))
    assert "files.example" in kept
    assert not [one for one in (*secrets, "KEY-123456") if one in kept]
