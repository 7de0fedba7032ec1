"""What things cost: tokens by kind, dollars per token from a date on, and their product in nano-dollars.

The price list is genai-prices; operators override it from a date on, for one tenant or for all. A model that neither
knows is unpriced: ``None``, never 0.
"""

from core.pricing._book import ANY_MODEL, OverrideKind, OverridingPrice, PriceBook
from core.pricing._drafts import described
from core.pricing._families import canonical_name, family_name, family_of, has_list, known_context
from core.pricing._fees import OF_A_TOOL, Fee, is_tool
from core.pricing._listed import SOURCE, listed
from core.pricing._money import NANO, Cost, PossibleBilling, Price, Usage, as_dollars, billing, nano_usd, usd
from core.pricing._names import MOST_NAMES, bare_name, other_names, undated_name
from core.pricing._overrides import Prices, books, states
from core.pricing._terms import PriceTerms, Rates
from core.pricing._work import UNPRICED_DAYS, PricedModel, UnpricedModel

__all__ = [
    "ANY_MODEL",
    "MOST_NAMES",
    "NANO",
    "OF_A_TOOL",
    "SOURCE",
    "UNPRICED_DAYS",
    "Cost",
    "Fee",
    "OverrideKind",
    "OverridingPrice",
    "PossibleBilling",
    "Price",
    "PriceBook",
    "PriceTerms",
    "PricedModel",
    "Prices",
    "Rates",
    "UnpricedModel",
    "Usage",
    "as_dollars",
    "bare_name",
    "billing",
    "books",
    "canonical_name",
    "described",
    "family_name",
    "family_of",
    "has_list",
    "is_tool",
    "known_context",
    "listed",
    "nano_usd",
    "other_names",
    "states",
    "undated_name",
    "usd",
]
