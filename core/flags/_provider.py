"""OpenFeature's view of our rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

# The package is typed; pyright does not see the marker of a namespace in its folders.
from openfeature.evaluation_context import EvaluationContext  # pyright: ignore[reportMissingTypeStubs]
from openfeature.exception import (
    FlagNotFoundError,
    InvalidContextError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider import AbstractProvider, Metadata  # pyright: ignore[reportMissingTypeStubs]
from typing_extensions import override

from core.clock import Clock
from core.errors import NotFound
from core.flags._meanings import checked_name
from core.flags._other import TENANT
from core.flags._rules import Evaluation, RuleSet
from core.tables import FlagRule


class RuleProvider(AbstractProvider):
    """Answers from our rules: ``tenant`` among the attributes is its id, a share is drawn for the targeting key."""

    def __init__(self, rules: Callable[[], Sequence[FlagRule]], clock: Clock) -> None:
        super().__init__()
        self._rules = rules
        self._clock = clock

    @override
    def get_metadata(self) -> Metadata:
        """Return our name."""
        return Metadata(name="proctor")

    @override
    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return the value of a flag and its reason.

        Every flag of ours has its own default, so the caller's *default_value* is the answer to an error alone.

        Raises:
            FlagNotFoundError: there is no such flag.
            TargetingKeyMissingError: it is a share, and nobody says whom to draw for.
            InvalidContextError: the targeting key or the tenant is no text.

        """
        try:
            checked_name(flag_key)
        except NotFound as error:
            raise FlagNotFoundError(error.message) from None
        context = evaluation_context or EvaluationContext()
        unit: Any = context.targeting_key  # what programs give, whatever the type says
        tenant: Any = context.attributes.get(TENANT, "")
        if not isinstance(unit, str | None) or not isinstance(tenant, str):
            raise InvalidContextError("The targeting key and the tenant are texts.")
        found = RuleSet(self._rules(), tenant).evaluate(flag_key, self._clock.now(), unit or "")
        if found.reason == Reason.ERROR:
            raise TargetingKeyMissingError(f"The flag {flag_key!r} is drawn for each call; name one as targeting key.")
        return FlagResolutionDetails(
            found.value, reason=Reason(found.reason), variant=found.word, flag_metadata={"rule": found.rule}
        )

    @override
    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)

    @override
    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        """Refuse: our flags are on or off."""
        _refuse(flag_key)


def evaluation(details: Any) -> Evaluation:
    """Return what a client was told, in our words."""
    rule = details.flag_metadata.get("rule") or "the default, as a share needs somebody to be drawn for"
    return Evaluation(details.value, str(Reason(details.reason)), str(rule))


def _refuse(flag_key: str) -> NoReturn:
    raise TypeMismatchError(f"The flag {flag_key!r} is on or off; ask for a boolean.")
