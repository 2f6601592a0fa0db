"""Become another program, whose files are its owner's alone, and die with the supervisor.

Run as a file by an isolated interpreter (`python -I -S launch.py PARENT_PID PROGRAM ARGUMENTS...`), so it imports
the standard library only. It exists because the setting that ties a process to its parent must be made in the child
between fork and exec, where a supervisor with several threads may not run Python code safely.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to SIGKILL this process when the thread that started it ends, however it ends (Linux only)."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # The parent ended before the kernel was asked: nobody would ever tell us.
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.umask(0o077)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - becoming the given program is what this file is for
