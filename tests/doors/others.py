"""The table with what this project does not install: ``python -m tests.doors.others frameworks``, or ``newest``.

``newest`` runs the programs on the newest SDKs that ``pyproject.toml`` allows (``uv.lock`` holds the oldest), and
``frameworks`` adds pydantic-ai and LangChain, with the SDKs that they ask for. Each makes an environment of its own,
which goes again, and needs a package index. They are no part of ``make test``: the lock would move.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ADDED = {
    "newest": ("openai[aiohttp]>=3.57,<4", "anthropic[aiohttp]>=2.14,<3"),
    "frameworks": ("pydantic-ai-slim[openai,anthropic]>=2.68", "langchain-openai>=1.7", "langchain-anthropic>=1.7"),
}
TESTING = ("pytest", "pytest-playwright", "schemathesis", "hypothesis")


def main() -> None:
    """Run the table in an environment that is made for it, and end as it ends."""
    if sys.argv[1:2] == [] or sys.argv[1] not in ADDED:
        sys.exit(f"Say which: {' or '.join(ADDED)}.")
    added = [word for one in (*ADDED[sys.argv[1]], *TESTING) for word in ("--with", one)]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else "uv"
    made = [uv, "run", "--isolated", "--frozen", "--no-dev", "--python", sys.executable]
    command = [*made, *added, "python", "-m", "tests.doors.table", *sys.argv[2:]]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
