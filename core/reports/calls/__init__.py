"""Lists of calls: which are meant, in what order, from where on; what they add up to and what is recorded just now.

A filter (:class:`CallFilter`) is a stretch of time, a tenant and a search (:mod:`core.call_search`), of which
:func:`condition` makes a condition of SQL: of a list, its count, its sums, its export and whatever else counts calls.
"""

from core.reports.calls._conditions import condition as condition
from core.reports.calls._filters import CallFilter as CallFilter
from core.reports.calls._filters import term_of as term_of
from core.reports.calls._lists import MOST_COUNTED_CALLS as MOST_COUNTED_CALLS
from core.reports.calls._lists import MOST_EXPORTED as MOST_EXPORTED
from core.reports.calls._lists import MOST_SORTED as MOST_SORTED
from core.reports.calls._lists import PAGE_SIZE as PAGE_SIZE
from core.reports.calls._lists import CallPage as CallPage
from core.reports.calls._lists import call_count as call_count
from core.reports.calls._lists import call_page as call_page
from core.reports.calls._lists import calls_frames as calls_frames
from core.reports.calls._lists import latest_call_at as latest_call_at
from core.reports.calls._order import NEWEST as NEWEST
from core.reports.calls._order import SORTS as SORTS
from core.reports.calls._order import CallCursor as CallCursor
from core.reports.calls._order import CallOrder as CallOrder
from core.reports.calls._summary import FACETS as FACETS
from core.reports.calls._summary import MOST_VALUES as MOST_VALUES
from core.reports.calls._summary import CallSummary as CallSummary
from core.reports.calls._summary import FacetValue as FacetValue
from core.reports.calls._summary import call_summary as call_summary
from core.reports.calls._tail import TAIL_SIZE as TAIL_SIZE
from core.reports.calls._tail import call_tail as call_tail
