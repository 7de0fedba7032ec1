"""Any figure over any time, by what calls are told apart by: one question for pages, the API and files.

A question names measures, what to tell apart by, and a search in the language of the list of calls, as far as it is
about what figures are kept by. What rollups hold is read from them; what no rollup holds together, such as routes by
model, is added up from the calls themselves, of which it must not be too many.
"""

from core.reports.query._answering import Group as Group
from core.reports.query._answering import GroupFigures as GroupFigures
from core.reports.query._answering import QueryAnswer as QueryAnswer
from core.reports.query._answering import answered as answered
from core.reports.query._asking import DIMENSIONS as DIMENSIONS
from core.reports.query._asking import MOST_CELLS as MOST_CELLS
from core.reports.query._asking import MOST_GROUPS as MOST_GROUPS
from core.reports.query._asking import TIME as TIME
from core.reports.query._asking import Dimension as Dimension
from core.reports.query._asking import Query as Query
from core.reports.query._planning import MOST_READ as MOST_READ
