"""How commands end, as the shell is told; `help` says in words what each means."""

from __future__ import annotations

from typing import Final

OK: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
THRESHOLD: Final = 3
RUN_FATAL: Final = 4
LOCKED: Final = 5
OUT_OF_TIME: Final = 6
PENDING: Final = 10
INTERRUPTED: Final = 130
