"""Flags: switches that an operator may turn for one tenant or for all, for a while, or for a share of the calls.

The code says which features there are and what each does; a model, a route, a schema and a tool has a flag by its name.
Rows say how an operator set them. The rule of one tenant goes before the rule for all, and that before the default.
Evaluation speaks OpenFeature: a value, and the reason for it. A setting may name another of its providers, which then
decides in the place of all rules.
"""

from core.flags._flags import STALE_DAYS, Flags, StaleRule
from core.flags._meanings import Flag, FlagKind, Meaning, checked_name, kind_of, meaning_of
from core.flags._other import OtherProvider, other_provider
from core.flags._provider import RuleProvider
from core.flags._rules import Evaluation, FlagRule, RuleSet, described, evaluate_all, is_drawn, moment_of, told
from core.flags.undo import UNDO

__all__ = [
    "STALE_DAYS",
    "UNDO",
    "Evaluation",
    "Flag",
    "FlagKind",
    "FlagRule",
    "Flags",
    "Meaning",
    "OtherProvider",
    "RuleProvider",
    "RuleSet",
    "StaleRule",
    "checked_name",
    "described",
    "evaluate_all",
    "is_drawn",
    "kind_of",
    "meaning_of",
    "moment_of",
    "other_provider",
    "told",
]
