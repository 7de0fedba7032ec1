"""What a vendor bills beside tokens: so much for each use of a tool that it runs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.pricing._money import as_dollars, nano_usd
from core.pricing._names import bare_name
from core.servers import kind_of

OF_A_TOOL = "tool:"
"""How the name begins under which an override says what a tool costs, in the place of a model's."""
EVERY_CALL = "call"
"""The use that every call is of a model that searches by itself."""
_LIST = Path(__file__).with_name("fees.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What one use of a tool costs."""

    nano_usd: int
    source: str
    """Whose word it is, for people."""

    @property
    def sentence(self) -> str:
        """How it reads: ``$10 per 1,000``."""
        return f"${as_dollars(self.nano_usd * 1000)} per 1,000"


def is_tool(model: str) -> bool:
    """Whether what an override names is a tool and no model."""
    return model.startswith(OF_A_TOOL)


@lru_cache(maxsize=4096)
def listed_fee(provider: str, model: str, use: str) -> Fee | None:
    """Return what a *use* of a tool by *model* costs, as its vendor publishes it; ``None`` if no list tells."""
    lists = _lists()
    kind = kind_of(provider) or ""
    prices, name = lists.get(kind, {}).get(use, ()), bare_name(provider, model)
    steps: Sequence[Sequence[str]] = [["", prices]] if isinstance(prices, str) else prices
    found = next((price for beginning, price in steps if name.startswith(beginning)), None)
    return None if found is None else Fee(nano_usd=nano_usd(found) // 1000, source=lists["sources"][kind])


@lru_cache(maxsize=1)
def _lists() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(_LIST.read_text(encoding="utf-8"))
