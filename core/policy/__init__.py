"""What governs one generation: read once, frozen, recorded with it.

Everything here changes only by an operator's decision, and every decision moves a revision: the one of its tenant, or
the one for all. So what was read at the present revisions is still true, in every process, and the hot path reads two
numbers in one statement.
"""

from core.policy._named_models import NamedModel
from core.policy._policies import Policies
from core.policy._snapshot import TenantSnapshot
from core.policy._terms import Policy, TenantTerms

__all__ = ["NamedModel", "Policies", "Policy", "TenantSnapshot", "TenantTerms"]
