"""What tools and schemas said of themselves in the calls of a tenant, as long as this process remembers it.

A description is read by the model at every turn. One that changes under the same name is told once per text, so that
two programs with different tools of one name are no news for ever. Of names and texts nothing is kept but numbers that
mean something in this process alone; nothing is read from a database, and nothing written.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

_MOST_TENANTS = 500
_MOST_NAMES = 200
"""Of one tenant: whoever names tools by chance pushes out his own alone."""
_MOST_TEXTS = 8
"""Of one name: a description with the time of day in it is news each time, and takes no more room."""


class ToolTexts:
    """The texts of tools and schemas that were seen, by tenant and name; those that nobody asked for longest go."""

    def __init__(self) -> None:
        """Begin with none: the first text of a name is no change."""
        self._lock = threading.Lock()
        self._tenants: OrderedDict[str, OrderedDict[int, tuple[int, ...]]] = OrderedDict()

    def changed(self, tenant_id: str, declared: Mapping[str, Any]) -> frozenset[str]:
        """Take in what a request declares by name, as JSON has it; return the names that had other texts before."""
        texts = {name: hash(json.dumps(value, sort_keys=True)) for name, value in declared.items()}
        new: set[str] = set()
        with self._lock:
            names = self._tenants.setdefault(tenant_id, OrderedDict())
            self._tenants.move_to_end(tenant_id)
            for name, text in texts.items():
                short = hash(name)  # a name may be as long as a request
                seen = names.pop(short, ())
                if seen and text not in seen:
                    new.add(name)
                names[short] = (*(one for one in seen if one != text), text)[-_MOST_TEXTS:]
                if len(names) > _MOST_NAMES:
                    names.popitem(last=False)
            if len(self._tenants) > _MOST_TENANTS:
                self._tenants.popitem(last=False)
        return frozenset(new)
