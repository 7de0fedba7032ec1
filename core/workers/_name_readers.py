"""Processes that find names of persons: one for each pipeline, which loads it once and keeps it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from core.errors import Invalid
from core.telemetry import Metrics
from core.validation import Effort
from core.workers._names import Places, trouble_with
from core.workers._order import GivenTexts
from core.workers._pool import Workers


class UnreadNames(Exception):
    """Nobody has looked for names in some texts. The reason is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NameReaders:
    """All of them, by the names that the deployment gave their pipelines; each is started when it is first needed."""

    def __init__(self, pipelines: Mapping[str, str], metrics: Metrics | None = None) -> None:
        self._pipelines = pipelines
        self._workers = {
            name: Workers(1, metrics, reads=f"names_{name}", pipeline=pipeline) for name, pipeline in pipelines.items()
        }

    def require(self, name: str) -> str:
        """Return the name of a pipeline, which is that of the only one where *name* is empty.

        Raises:
            Invalid: there is none of that name, or it cannot be used; one sentence says why.

        """
        name = self._known(name)
        if trouble := trouble_with(self._pipelines[name]):
            raise Invalid(f"NAME_PIPELINES, {name}: {trouble}")
        return name

    def _known(self, name: str) -> str:
        known = ", ".join(self._pipelines)
        if not known:
            raise Invalid(
                "Nobody finds names here: whoever runs this deployment installs proctor[names] and a pipeline of "
                "spaCy's, and names it in NAME_PIPELINES, such as en=en_core_web_lg."
            )
        if not name and len(self._pipelines) > 1:
            raise Invalid(f"pipeline says who finds the names: one of {known}.")
        name = name or known
        if name not in self._pipelines:
            raise Invalid(f"pipeline is {name[:40]!r}, and NAME_PIPELINES has: {known}.")
        return name

    def is_loaded(self, name: str) -> bool:
        """Whether a process has loaded the pipeline."""
        return any(one.is_ready for one in self._named(name))

    def names_in(
        self, name: str, texts: Sequence[str], *, waits: float, is_late: Callable[[], bool] = lambda: False
    ) -> Sequence[Places]:
        """Return where names stand in each of *texts*, once the process is free within so many seconds.

        Raises:
            Invalid: there is no pipeline of that name.
            UnreadNames: it was not found out before it *is_late*.

        """
        workers = self._workers[self._known(name)]
        reply = workers.read_for("", None, GivenTexts(tuple(texts)), Effort(is_late=is_late), waits=waits, tries=1)
        if reply is None:
            raise UnreadNames("not_loaded")
        if reply.found != "valid":
            raise UnreadNames("timeout" if reply.found == "unjudged" else "lost")
        return json.loads(reply.text)

    def close(self) -> None:
        """End all of them."""
        for one in self._workers.values():
            one.close()

    def _named(self, name: str) -> Sequence[Workers]:
        return [one for known, one in self._workers.items() if name in {known, ""}]
