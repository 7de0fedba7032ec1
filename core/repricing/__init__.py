"""History re-priced: an operator's explicit decision, which keeps the old figures.

What a call cost is frozen on its attempt. Where its price was wrong or unknown, an operator may put in its place what
the present prices say of that time: attempts, generations, ledger and accounts move together and by the same
difference, some hundred calls at a time, and every old figure can be looked up.
"""

from core.repricing._plans import MOST_ATTEMPTS, RepricingPreview, RepricingScope, TenantDifference
from core.repricing._repricings import OldFigure, Repricings

__all__ = [
    "MOST_ATTEMPTS",
    "OldFigure",
    "RepricingPreview",
    "RepricingScope",
    "Repricings",
    "TenantDifference",
]
