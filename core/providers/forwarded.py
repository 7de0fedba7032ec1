"""An exchange in the place of another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.pricing import PossibleBilling
from core.providers import Answer, Exchange, MediaTokens


class Forwarded:
    """Stands in the place of an exchange: whatever it does not change is that one's."""

    def __init__(self, exchange: Exchange) -> None:
        """Stand in the place of *exchange*."""
        self.mode = exchange.mode
        self._exchange = exchange

    @property
    def so_far(self) -> Answer:
        """The exchange's."""
        return self._exchange.so_far

    @property
    def size_bytes(self) -> int:
        """The exchange's."""
        return self._exchange.size_bytes

    @property
    def texts(self) -> Sequence[str]:
        """The exchange's."""
        return self._exchange.texts

    @property
    def media_tokens(self) -> MediaTokens:
        """The exchange's."""
        return self._exchange.media_tokens

    @property
    def possible_billing(self) -> PossibleBilling:
        """The exchange's."""
        return self._exchange.possible_billing

    @property
    def lines(self) -> Any:
        """The exchange's."""
        return getattr(self._exchange, "lines", None)

    def allow(self, max_tokens: int) -> None:
        """Let the exchange's next answer be *max_tokens* long."""
        self._exchange.allow(max_tokens)
