"""Chores: what a running Proctor does from time to time without being asked.

A chore is data (``catalog.py`` lists them): its name, how often, what it does, what it means while it is not done,
whether one process of all does it, and its function. Each has a thread of its own, so that one that hangs or fails
delays no other; each tells when it was last done, how often it failed and why, and by how much it is late.
"""

from core.chores._chore import Chore, ChoreStatus
from core.chores._rounds import Chores
from core.chores.catalog import catalog

__all__ = ["Chore", "ChoreStatus", "Chores", "catalog"]
