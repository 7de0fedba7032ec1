"""What is fetched from addresses that people enter: one guard, from the text of an address to the last byte.

An address is read once, in the one way in which every reader has it (``read_address``). Of a host every address that it
resolves to has to be public, or in a network that the deployment allows, and the connection goes to exactly one of
those (``_connecting.py``). What an operator names in the environment, such as a provider's server, is trusted and does
not come here.
"""

from core.outgoing._deployment import HostSecrets, read_proxy, read_secrets
from core.outgoing._fetching import Fetched, NotFetched, Outgoing
from core.outgoing._judged import is_public, is_public_host
from core.outgoing._read import WebAddress, read_address

__all__ = [
    "Fetched",
    "HostSecrets",
    "NotFetched",
    "Outgoing",
    "WebAddress",
    "is_public",
    "is_public_host",
    "read_address",
    "read_proxy",
    "read_secrets",
]
