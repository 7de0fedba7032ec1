"""What a client does with the patches of a stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def applied(document: Any, changes: Sequence[dict[str, Any]]) -> Any:
    """Return *document* with *changes* made in it, as a client makes them."""
    root = {"": document}
    for change in json.loads(json.dumps(changes)):
        at, name = root, ""
        for step in change["path"].split("/")[1:]:
            at = at[int(name) if isinstance(at, list) else name]
            name = step.replace("~1", "/").replace("~0", "~")
        place = int(name) if isinstance(at, list) else name
        match change["op"]:
            case "append":
                at[place] += change["value"]
            case "replace":
                at[place]
                at[place] = change["value"]
            case "add":
                assert isinstance(at, dict)
                at[place] = change["value"]
            case other:
                raise AssertionError(other)
    return root[""]
