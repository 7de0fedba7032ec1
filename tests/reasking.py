"""A process in which clients ask again, as it is told: for tests of what several processes make of one conversation.

It says ``ready``. Each line is a list: ``["answer", question, turn, id]`` leaves a generation's invalid answer open,
``["ask", question, turn, id]`` tells which generation that request asks again for.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from core.clock import SystemClock
from core.dialects import DIALECTS, DialectName, RelayRequest
from core.reasks import Conversation, Reasks
from core.store import Store

TENANT = "t1"
_TOOL = {"type": "function", "function": {"name": "User", "parameters": {"type": "object"}}}


def said(call_id: str) -> dict[str, Any]:
    """Return the message of an invalid answer."""
    function = {"name": "User", "arguments": '{"age": "x"}'}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": call_id, "function": function}]}


def request(question: str, turn: int) -> RelayRequest:
    """Return the request that follows *turn* invalid answers to a question."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    for number in range(turn):
        call_id = f"call_{question}_{number}"
        messages += [said(call_id), {"role": "tool", "tool_call_id": call_id, "content": "No."}]
    return DIALECTS[DialectName.CHAT].read(json.dumps({"model": "m", "messages": messages, "tools": [_TOOL]}).encode())


def main() -> None:
    """Do as the lines of standard input say."""
    store = Store(sys.argv[1])
    reasks = Reasks(store, SystemClock())

    def tell(answer: Any) -> None:
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()

    tell("ready")
    for line in sys.stdin:
        word, question, turn, generation_id = json.loads(line)
        asked = request(question, turn)
        conversation = Conversation(asked, tenant_id=TENANT, asker="k1")
        if word == "answer":
            body = {"choices": [{"message": said(f"call_{question}_{turn}")}]}
            reasks.leave_open(conversation, asked.dialect, body, generation_id=generation_id, tenant_id=TENANT)
            tell("open")
        else:
            tell(reasks.taken(conversation, generation_id=generation_id, tenant_id=TENANT, is_resent=False))
    store.close()


if __name__ == "__main__":
    main()
