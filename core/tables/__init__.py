"""Everything we keep.

Two kinds of table. *Decisions of operators* (tenant, key, budget, route, schema, flag, person) are changed by people,
through the module of the same name, each change audited in the same transaction. *What happened* (generation, attempt,
field error, payload, ledger) is appended by the corridor through ``core/journal.py``, which says what may still change.

Times are stored as whole microseconds since 1970 UTC and read back as aware datetimes, so that buckets are integer
arithmetic and both databases agree. Money is integer nano-dollars; ``None`` means unknown, never zero.
"""

from core.tables._ageing import AgedOut as AgedOut
from core.tables._ageing import AgedQuarter as AgedQuarter
from core.tables._analytics import AnalyticsOutbox as AnalyticsOutbox
from core.tables._analytics import AnalyticsState as AnalyticsState
from core.tables._books import Opening as Opening
from core.tables._books import ProvenBalance as ProvenBalance
from core.tables._books import Stretch as Stretch
from core.tables._columns import Json as Json
from core.tables._columns import Row as Row
from core.tables._columns import UtcTime as UtcTime
from core.tables._columns import as_json as as_json
from core.tables._decisions import ApiKey as ApiKey
from core.tables._decisions import AuditEntry as AuditEntry
from core.tables._decisions import AuditHead as AuditHead
from core.tables._decisions import BreakerOverride as BreakerOverride
from core.tables._decisions import Budget as Budget
from core.tables._decisions import BudgetRaise as BudgetRaise
from core.tables._decisions import FireDrill as FireDrill
from core.tables._decisions import FlagRule as FlagRule
from core.tables._decisions import GuardrailRule as GuardrailRule
from core.tables._decisions import PriceOverride as PriceOverride
from core.tables._decisions import Revision as Revision
from core.tables._decisions import Route as Route
from core.tables._decisions import Schema as Schema
from core.tables._decisions import SchemaLabel as SchemaLabel
from core.tables._decisions import SchemaVersion as SchemaVersion
from core.tables._decisions import Tenant as Tenant
from core.tables._decisions import TenantRevision as TenantRevision
from core.tables._erasures import Erasure as Erasure
from core.tables._happenings import ANSWERED_BY as ANSWERED_BY
from core.tables._happenings import IS_ANSWER as IS_ANSWER
from core.tables._happenings import OF_REJECTED as OF_REJECTED
from core.tables._happenings import Account as Account
from core.tables._happenings import AttemptRow as AttemptRow
from core.tables._happenings import ChangeEvent as ChangeEvent
from core.tables._happenings import Claim as Claim
from core.tables._happenings import FieldError as FieldError
from core.tables._happenings import FindingRow as FindingRow
from core.tables._happenings import GenerationRow as GenerationRow
from core.tables._happenings import LedgerEntry as LedgerEntry
from core.tables._happenings import Payload as Payload
from core.tables._happenings import PolicySnapshot as PolicySnapshot
from core.tables._happenings import Process as Process
from core.tables._happenings import RepricedAttempt as RepricedAttempt
from core.tables._happenings import Repricing as Repricing
from core.tables._happenings import Reservation as Reservation
from core.tables._happenings import Verification as Verification
from core.tables._people import Invitation as Invitation
from core.tables._people import Person as Person
from core.tables._people import PersonGrant as PersonGrant
from core.tables._people import PersonSession as PersonSession
from core.tables._people import SavedView as SavedView
from core.tables._rollups import Rollup as Rollup
from core.tables._rollups import RollupDelta as RollupDelta
from core.tables._rollups import RollupFact as RollupFact
from core.tables._rollups import RollupProof as RollupProof
from core.tables._rollups import RollupSlot as RollupSlot
from core.tables._rollups import RollupState as RollupState
from core.tables._rollups import RollupSums as RollupSums
from core.tables._stored import ModelListing as ModelListing
from core.tables._stored import StoredObject as StoredObject
from core.tables._words import BLOCKED as BLOCKED
from core.tables._words import ERRORS as ERRORS
from core.tables._words import HAS_FAILED as HAS_FAILED
from core.tables._words import REASKABLE as REASKABLE
from core.tables._words import SUCCESSFUL as SUCCESSFUL
from core.tables._words import VALID as VALID
from core.tables._words import AttemptKind as AttemptKind
from core.tables._words import LedgerKind as LedgerKind
from core.tables._words import Outcome as Outcome

METADATA = Row.metadata
