"""The language in which calls are looked for: ``tenant:acme outcome:invalid latency:>2s -route:default "free text"``.

A text is read into a tree (:func:`read_search`), which is what everything else knows: the rows that pass are found by
it, the page's chips are its terms, and :func:`printed` writes it again so that it is read as the same. Terms side by
side must all hold; ``OR``, brackets and a minus are as anywhere. A term and its negation part all calls in two: what is
missing is not like anything. It knows no database.
"""

from core.call_search._editing import with_term as with_term
from core.call_search._editing import without as without
from core.call_search._fields import FIELDS as FIELDS
from core.call_search._fields import METADATA as METADATA
from core.call_search._fields import OUTCOME_GROUPS as OUTCOME_GROUPS
from core.call_search._fields import SUPERSEDED_CALLS as SUPERSEDED_CALLS
from core.call_search._fields import WORDS as WORDS
from core.call_search._fields import FieldKind as FieldKind
from core.call_search._fields import SearchField as SearchField
from core.call_search._printing import printed as printed
from core.call_search._printing import value_text as value_text
from core.call_search._reading import MOST_CHARACTERS as MOST_CHARACTERS
from core.call_search._reading import read_search as read_search
from core.call_search._terms import ANYTHING as ANYTHING
from core.call_search._terms import CallSearch as CallSearch
from core.call_search._terms import Either as Either
from core.call_search._terms import Every as Every
from core.call_search._terms import FieldMatch as FieldMatch
from core.call_search._terms import FieldRange as FieldRange
from core.call_search._terms import Limit as Limit
from core.call_search._terms import Negation as Negation
from core.call_search._terms import Pattern as Pattern
from core.call_search._terms import PlacedTerm as PlacedTerm
from core.call_search._terms import Term as Term
from core.call_search._terms import either as either
from core.call_search._terms import every as every
from core.call_search._terms import exactly as exactly
from core.call_search._terms import fields_of as fields_of
from core.call_search._terms import parts as parts
