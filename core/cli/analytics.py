"""The analytics store: how it stands, whether it agrees with the sums, and beginning it anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from core.cli._command import DONE, REFUSED, Output, command, proctor
from core.cli._operator import OPERATOR

if TYPE_CHECKING:
    from core.runtime import Runtime


@proctor.group("analytics")
def analytics_group() -> None:
    """See to the analytics store that ANALYTICS_URL names."""


@command(analytics_group, "status")
def status(runtime: Runtime) -> Output:
    """Say how far back it reaches, and how much waits to be sent."""
    found, now = runtime.analytics.progress(), runtime.clock.now()
    document = asdict(found) | {"behind_seconds": found.behind_seconds(now), "is_set": runtime.analytics.is_set}
    return Output(document, found.told(now))


@command(analytics_group, "compare")
def compare(runtime: Runtime) -> Output:
    """Hold what it has of each day against the sums of calls; exit code 1 if a day differs."""
    found = runtime.analytics.compare(OPERATOR)
    if found is None:
        said = "There is no analytics store that holds anything yet: 'proctor analytics status' says more."
        return Output({"ok": True, "days": 0, "differing": []}, said)
    differing = [{"day": day, "by": by} for day, by in sorted(found.differing.items())]
    more = "" if found.ok else " With 'proctor analytics rebuild' it is begun anew."
    return Output(
        {"ok": found.ok, "days": found.days, "differing": differing, "sentence": found.sentence},
        f"{found.sentence}{more}",
        exit_code=DONE if found.ok else REFUSED,
    )


@command(analytics_group, "rebuild")
def rebuild(runtime: Runtime) -> Output:
    """Begin it anew: it is built again from the calls, in the background."""
    was = runtime.analytics.progress()
    runtime.analytics.rebuild(OPERATOR)
    if not was.is_on:
        return Output({"begun_anew": False}, "Nothing has been sent to an analytics store yet.")
    said = "The analytics store is begun anew: it is built from the calls while Proctor runs, the newest first."
    return Output({"begun_anew": True}, said)


@command(analytics_group, "stop")
def stop(runtime: Runtime) -> Output:
    """Do without it again, once no process has ANALYTICS_URL: nothing waits for it any more."""
    was = runtime.analytics.progress()
    if not runtime.analytics.stop(OPERATOR):
        return Output({"stopped": False}, "Nothing is sent to an analytics store.")
    said = f"Nothing is sent to the analytics store any more. Its table {was.table} is left there, to be dropped."
    return Output({"stopped": True, "table": was.table}, said)
