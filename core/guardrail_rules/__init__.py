"""Rules of the guardrails, as operators set them: for one tenant or for all, on one route or on every.

Those that hold for a tenant add up, its own and those for all; what is built in stands before them. Each is off while
the flag of its name is. What one finds, and what becomes of it, is decided in :mod:`core.guardrails`.
"""

from core.guardrail_rules._fields import RuleFields
from core.guardrail_rules._rules import GuardrailRules, described, terms_of
from core.guardrail_rules._words import looked_at, looked_for
from core.guardrail_rules.undo import UNDO
from core.tables import GuardrailRule

__all__ = ["UNDO", "GuardrailRule", "GuardrailRules", "RuleFields", "described", "looked_at", "looked_for", "terms_of"]
