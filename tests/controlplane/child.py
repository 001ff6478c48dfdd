"""Run a command that dies with its parent: `python child.py PARENT_PID COMMAND...`.

A child process sets this up for itself, since `preexec_fn` is not safe in a parent with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":  # other systems lack it; there a killed parent leaves its children
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before the call above
            sys.exit("the parent is gone")
    os.execv(command[0], command)
