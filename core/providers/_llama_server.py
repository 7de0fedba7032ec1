"""The child process that runs llama.cpp: OpenAI's dialect on loopback, for whoever started it and no one else.

It is run as a file, so that it loads llama.cpp and nothing of Proctor. Its order comes as one JSON line on standard
input: ``path``, ``name``, ``api_key``, ``port`` (0 takes a free one), ``threads``, ``context_tokens``. It answers with
one JSON line on standard output, ``{"url": …}`` or ``{"error": …}``, and ends when its standard input does: a parent
that dies, however it dies, leaves no server behind.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import xllamacpp as untyped  # pyright: ignore[reportMissingTypeStubs] it has none

xllamacpp: Any = untyped

CACHE_MIB = 128
"""How much memory may hold prompts for reuse; llama.cpp would take 8 GiB."""


def serve(order: dict[str, Any]) -> Any:
    """Load the model and listen; return llama.cpp's server, which lives as long as it is held.

    Raises:
        RuntimeError: the model cannot be loaded or the port is taken.

    """
    parameters = xllamacpp.CommonParams()
    parameters.model.path = order["path"]
    parameters.model_alias = {order["name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = order["port"]
    parameters.api_keys = [order["api_key"]]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.offline = True
    parameters.n_ctx = order["context_tokens"]
    parameters.n_parallel = 1
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = order["threads"]
    parameters.cpuparams_batch.n_threads = order["threads"]
    parameters.cache_ram_mib = CACHE_MIB
    parameters.sampling.temp = 0.0  # unless a request says otherwise: the same text gets the same answer
    parameters.verbosity = -1
    return xllamacpp.Server(parameters)


def main() -> None:
    """Read the order, serve, and end with standard input."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # llama.cpp writes to standard output as it likes
    order = json.loads(sys.stdin.readline())
    try:
        server = serve(order)
    except RuntimeError as error:
        print(json.dumps({"error": str(error)}), file=replies, flush=True)
        os._exit(1)
    print(json.dumps({"url": server.listening_address}), file=replies, flush=True)
    sys.stdin.read()
    os._exit(0)  # its threads would keep the process alive


if __name__ == "__main__":
    main()
