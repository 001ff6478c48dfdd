"""`aifactory` as `cluster.prompt` has it, that waits for seconds where it would wait for up to a minute.

After failures in a row it tries again ever more slowly. Attacks are made of nothing else.
"""

from aifactory import watches
from aifactory.cli import app
from aifactory.shell import failures
from cluster.prompt import hurry

LONGEST = 2.0

if __name__ == "__main__":
    hurry()
    vars(watches).update(FIRST=(LONGEST / 4,), THEN=LONGEST, LONGEST=LONGEST)
    vars(failures).update(LONGEST_BACKOFF=LONGEST)
    app()
