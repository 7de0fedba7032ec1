"""What each model can: from the package's own list, from what its vendor tells, and from an operator, who is right.

What nobody tells is allowed: a model that is unknown can do everything until it is tried.
"""

from core.capabilities._cards import SOON, ModelCard
from core.capabilities._told import MOST_TOLD, cards_told
from core.capabilities.cards import Cards
from core.capabilities.listings import Listings, ProviderCheck

__all__ = ["MOST_TOLD", "SOON", "Cards", "Listings", "ModelCard", "ProviderCheck", "cards_told"]
