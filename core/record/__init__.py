"""Room eight: one generation, its attempts, one event, whatever happens; refusals too.

Settling the money and writing the rows is one transaction: no charge without its attempt, no attempt without a charge.
"""

from core.record._generation import Generation as Generation
from core.record._record import Record as Record
from core.record._recorder import Recorder as Recorder
from core.record._remaining import Remaining as Remaining
from core.record._running import RunningGeneration as RunningGeneration
from core.record.backlog import Backlog as Backlog
from core.record.recovery import HEARTBEAT_EVERY as HEARTBEAT_EVERY
from core.record.recovery import Recovery as Recovery
