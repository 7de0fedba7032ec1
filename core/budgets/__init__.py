"""How much: what a tenant may spend, what it has spent, and what is held for calls that are out.

A generation reserves before each attempt what that could cost, in every budget that covers it or in none, and settles
when it ends: whatever was charged is spent, the rest goes back, by any door.

periods        a day, a week, a month in a time zone; a fixed span
terms          one budget, as it governs a generation
accounts       one per budget and period
openings       what an account begins with
freezes        for a moment nobody moves what is summed
late_calls     calls that were out then, and have ended since
thresholds     those that are passed, told once each
reservations   the hot path: hold, charge, settle
refusals       what is said where a budget does not cover a call
shortages      who waits for money that calls that are out hold
verification   whether all of it adds up
proofs         what was found to add up, and need not be read again
checks         what a budget can be
drafts         a budget as an edit would have it
rows           a budget's row, as terms and in words
raises         more money for a while
budgets        what operators decide
"""

from core.budgets.accounts import AccountMissing as AccountMissing
from core.budgets.budgets import Budgets as Budgets
from core.budgets.checks import MOST_NANO_USD as MOST_NANO_USD
from core.budgets.freezes import Freezes as Freezes
from core.budgets.left import BudgetLeft as BudgetLeft
from core.budgets.left import budget_left as budget_left
from core.budgets.periods import Period as Period
from core.budgets.periods import period_around as period_around
from core.budgets.raises import LONGEST_RAISE as LONGEST_RAISE
from core.budgets.reservations import ReservationHandle as ReservationHandle
from core.budgets.reservations import ReservationRecovered as ReservationRecovered
from core.budgets.rows import described as described
from core.budgets.states import BudgetState as BudgetState
from core.budgets.terms import BudgetTerms as BudgetTerms
from core.budgets.terms import Mode as Mode
from core.budgets.terms import Raise as Raise
from core.budgets.terms import Scope as Scope
from core.budgets.thresholds import ThresholdEvent as ThresholdEvent
from core.budgets.thresholds import Thresholds as Thresholds
