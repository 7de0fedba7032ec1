"""Another OpenFeature provider in the place of our rules: a setting names it, and it is asked for each generation.

It may be slow, hang or raise; nobody waits for it longer than a moment, and then each flag is as by default. What it
says is about the tenant (an attribute of the context) and drawn for the targeting key, as with our rules.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

# The package is typed; pyright does not see the marker of a namespace in its folders.
import openfeature.api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import FeatureProvider, ProviderStatus  # pyright: ignore[reportMissingTypeStubs]

from core.clock import Clock
from core.errors import Misconfigured
from core.flags._meanings import meaning_of
from core.flags._rules import Evaluation
from core.settings import Settings
from core.telemetry import Metrics, log

TENANT, TENANT_NAME = "tenant", "tenant_name"
"""The attributes of a context that name the tenant, by its id and as people do."""
MOST_ASKING = 64
"""So many may wait for an answer at once; while they all do, everybody else goes by the defaults without asking."""
BEGINS_SECONDS = 5.0
"""So long after it was made its first answers are waited for, so that a start does not let through what is off."""
_ROOM = "flags"


class OtherProvider:
    """Who decides flags in the place of our rules, and how long he is waited for."""

    def __init__(self, provider: FeatureProvider, clock: Clock, metrics: Metrics, seconds: float) -> None:
        """Begin to make *provider* ready, in the background; each question to it may take *seconds*."""
        self.name = str(provider.get_metadata().name)
        """What it calls itself."""
        self._provider = provider
        self._clock = clock
        self._metrics = metrics
        self._seconds = seconds
        self._places = threading.BoundedSemaphore(MOST_ASKING)
        self._is_well = True
        self._domain = f"proctor/{id(self):x}"
        self._ready = threading.Event()
        self._begins_until = clock.monotonic() + BEGINS_SECONDS
        threading.Thread(target=self._begin, name="flags", daemon=True).start()

    @property
    def client(self) -> OpenFeatureClient:
        """Whoever asks it by OpenFeature."""
        return openfeature.api.get_client(self._domain)

    def ask(self, names: Sequence[str], tenant_id: str, tenant: str, unit: str) -> dict[str, Evaluation]:
        """Return what it says of *names* for a tenant and for *unit*, whom shares are drawn for; it never raises.

        What it does not know is as by default. What it could not say in time, or at all, is so with the reason
        ``ERROR``, and is counted.
        """
        found: dict[str, Evaluation] = {}
        if not names:
            return found
        context = EvaluationContext(unit or None, {TENANT: tenant_id, TENANT_NAME: tenant})
        if not self._places.acquire(blocking=False):
            return self._failed(names, found, "is not answering")
        done = threading.Event()
        threading.Thread(target=self._work, args=(names, context, found, done), name="flags", daemon=True).start()
        in_time = done.wait(self._patience)
        answers = dict(found)
        wrong = next((one for one in answers.values() if one.reason == Reason.ERROR), None)
        if wrong is not None or not in_time:
            return self._failed(names, answers, "failed" if in_time else "did not answer in time")
        self._is_well = True
        return answers

    def state(self) -> str:
        """Return what is wrong with it, a sentence's words; empty where it is ready."""
        status = openfeature.api.get_client(self._domain).get_provider_status()
        return "" if status in {ProviderStatus.READY, ProviderStatus.STALE} else f"it is {status.value.lower()}"

    @property
    def _patience(self) -> float:
        """For how many seconds an answer is waited for."""
        if self._ready.is_set():
            return self._seconds
        return self._seconds + max(0.0, self._begins_until - self._clock.monotonic())

    def _begin(self) -> None:
        try:
            openfeature.api.set_provider_and_wait(self._provider, self._domain)
        except Exception as error:  # noqa: BLE001 it is not ours, and may raise anything; what it says may quote a key
            log().warning("failed_open", room=_ROOM, error=type(error).__name__)
        finally:
            self._ready.set()

    def _work(
        self, names: Iterable[str], context: EvaluationContext, found: dict[str, Evaluation], done: threading.Event
    ) -> None:
        try:
            self._ready.wait(BEGINS_SECONDS)
            for name in names:
                default = meaning_of(name).default
                found[name] = self._evaluation(default, self.client.get_boolean_details(name, default, context))
        finally:
            self._places.release()
            done.set()

    def _evaluation(self, default: bool, details: Any) -> Evaluation:  # noqa: FBT001 a value
        """Return an answer in our words; whatever went wrong, the client tells it and raises nothing."""
        if details.error_code is None:
            return Evaluation(bool(details.value), str(details.reason or Reason.UNKNOWN), f"what {self.name} says")
        if details.error_code == ErrorCode.FLAG_NOT_FOUND:
            return Evaluation(default, str(Reason.DEFAULT), "the default")
        code = str(ErrorCode(details.error_code).value).lower().replace("_", " ")
        return Evaluation(default, str(Reason.ERROR), f"the default, as {self.name} failed ({code})")

    def _failed(self, names: Sequence[str], answers: dict[str, Evaluation], why: str) -> dict[str, Evaluation]:
        self._metrics.failed_open.labels(_ROOM).inc()
        if self._is_well:
            log().warning("failed_open", room=_ROOM, error=why)
        self._is_well = False
        words = f"the default, as {self.name} {why}"
        return {
            name: answers.get(name) or Evaluation(meaning_of(name).default, str(Reason.ERROR), words) for name in names
        }


def other_provider(settings: Settings, clock: Clock, metrics: Metrics) -> OtherProvider | None:
    """Return who decides flags by ``FLAG_PROVIDER``, which is ``package.module:factory``; ``None`` where our rules do.

    Raises:
        Misconfigured: there is no such factory, or what it makes is no provider.

    """
    named = settings.flag_provider
    if named is None:
        return None
    module, _, factory = named.partition(":")
    try:
        made = getattr(import_module(module), factory)()
        _ = made.get_metadata().name, made.resolve_boolean_details  # what is used of it is there
    except Exception as error:  # noqa: BLE001 it is not ours; what it says may quote a key
        why = "cannot be imported" if isinstance(error, ImportError) else f"failed with {type(error).__name__}"
        raise Misconfigured(
            f"FLAG_PROVIDER is not usable: {named} {why}. It names what makes an OpenFeature provider, when it is "
            "called without arguments, in a package that is installed here."
        ) from None
    return OtherProvider(made, clock, metrics, settings.flag_provider_ms / 1000)
