"""Ends an engine's processes when our process dies, whatever killed it (SIGKILL and the kernel's OOM killer included).

vLLM's engine process does not notice the death of its parent. So a small process in a session of its own reads from a
pipe that only we hold open: end of file means that we died.

Invariants:
- The watchdog holds each engine process by a pidfd, so it can't kill another process that later gets the same id.
- It ends when the processes that it watches have ended.
"""

import subprocess
import sys
from collections.abc import Sequence

_CODE = """
import os, select, signal, sys
fds = {}
for pid in map(int, sys.argv[1:]):
    try:
        fds[os.pidfd_open(pid)] = pid
    except ProcessLookupError:
        pass
parent = sys.stdin.fileno()
while fds:
    ready, _, _ = select.select([parent, *fds], [], [])
    if parent in ready:
        for fd in fds:
            try:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            except ProcessLookupError:
                pass
        break
    for fd in ready:
        del fds[fd]
"""


def guard(pids: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a watchdog over `pids`; it ends with them. Keep the result: closing its stdin counts as our death."""
    command = [sys.executable, "-I", "-S", "-c", _CODE, *map(str, pids)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
