"""How much."""

from core.budgets.budgets import MOST_NANO_USD as MOST_NANO_USD
from core.budgets.budgets import Budgets as Budgets
from core.budgets.budgets import BudgetState as BudgetState
from core.budgets.budgets import BudgetTerms as BudgetTerms
from core.budgets.budgets import Purse as Purse
from core.budgets.budgets import Verification as Verification
from core.budgets.budgets import period as period
