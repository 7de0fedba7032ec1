"""The responses that the fake OpenAI stores, by the account that made them."""

from __future__ import annotations

from typing import Any

import orjson

from tests.wire import openai_responses
from tests.wire.exchange import Body, Failure, Said
from tests.wire.sending import Sending, document

_PREFIX = f"{openai_responses.PATH}/"


class StoredResponses:
    """What was asked and answered, until it is deleted."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], list[Any]] = {}
        self._answered: dict[tuple[str, str], Body] = {}
        self._items: dict[tuple[str, str], Body] = {}

    def clear(self) -> None:
        """Forget everything."""
        for each in (self._asked, self._answered, self._items):
            each.clear()

    def expanded(self, body: Body, account: str) -> Body | Failure:
        """Return a request with what it names of what is stored, as it then is read and billed."""
        before: list[Any] = []
        if name := body.get("previous_response_id"):
            stored = self._answered.get((account, name))
            if stored is None:
                return Failure(
                    400,
                    "invalid_request_error",
                    f"Previous response with id '{name}' not found.",
                    "previous_response_not_found",
                )
            before = [*self._asked[account, name], *stored["output"]]
        given = body.get("input") or []
        if not isinstance(given, str | list):
            return body
        items: list[Any] = []
        for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
            if isinstance(item, dict) and item.get("type") == "item_reference":
                found = self._items.get((account, item["id"]))
                if found is None:
                    return Failure(404, "invalid_request_error", f"Item with id '{item['id']}' not found.")
                items.append(found)
            else:
                items.append(item)
        return {**body, "input": [*before, *items]} if before or items != given else body

    def keep(self, body: Body, said: Said, account: str) -> None:
        """Store what *said* answers *body*, unless the caller does not want it."""
        if body.get("store") is False:
            return
        answer = openai_responses.answer(said)
        given = body["input"]
        asked = [{"role": "user", "content": given}] if isinstance(given, str) else given
        self._asked[account, answer["id"]] = asked
        self._answered[account, answer["id"]] = answer
        for item in answer["output"]:
            self._items[account, item["id"]] = item

    def served(self, method: str, path: str, account: str) -> Sending | None:
        """Return what a request about a stored response is answered with; ``None`` if it is about something else."""
        if not path.startswith(_PREFIX):
            return None
        name, _, rest = path.removeprefix(_PREFIX).partition("/")
        place = (account, name)
        if place not in self._answered:
            error = {"message": f"Response with id '{name}' not found.", "type": "invalid_request_error"}
            return document(orjson.dumps({"error": {**error, "param": None, "code": None}}), status=404)
        match method, rest:
            case "GET", "":
                return document(orjson.dumps(self._answered[place]))
            case "GET", "input_items":
                listed = [{"type": "message", "id": f"msg_in_{n}", **item} for n, item in enumerate(self._asked[place])]
                ends = {"first_id": listed[0]["id"], "last_id": listed[-1]["id"], "has_more": False}
                return document(orjson.dumps({"object": "list", "data": listed, **ends}))
            case "DELETE", "":
                del self._asked[place], self._answered[place]
                return document(orjson.dumps({"id": name, "object": "response", "deleted": True}))
            case "POST", "cancel":
                error = {"message": "Cannot cancel a synchronous response.", "type": "invalid_request_error"}
                return document(orjson.dumps({"error": {**error, "param": None, "code": None}}), status=400)
            case _:
                return None
