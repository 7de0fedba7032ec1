"""Rollups: sums of calls by minutes, hours and days, so that any figure costs the same however many calls there were.

Whoever writes or corrects a call appends what came and what went (``deltas``), by the one definition of every sum
(``facts``); a chore folds that into sums by facet, tenant and stretch of time (``folding``); whoever reads adds both
up, so that rollups and calls agree at every moment. Of calls from before there were rollups they are built in the
background (``building``); what they hold is proven against the calls themselves (``proof``, ``proofs``), and put right
where it differs (``mending``). What an analytics store is sent of them waits in an ``outbox``. Calls that age out
are no correction: nothing is taken back of them, and what no rollup holds is kept as they go (``remains``).
"""

from core.rollups.building import Building as Building
from core.rollups.deltas import Deltas as Deltas
from core.rollups.folding import Folding as Folding
from core.rollups.outbox import Outbox as Outbox
from core.rollups.proof import Mismatch as Mismatch
from core.rollups.proof import mismatches as mismatches
from core.rollups.proofs import RollupFinding as RollupFinding
from core.rollups.proofs import RollupProofs as RollupProofs
from core.rollups.remains import keeping as keeping
