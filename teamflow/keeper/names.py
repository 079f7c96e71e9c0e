"""What the processes and directories of one run are called, so that they are found again after a crash.

Two marks are inherited by all that a start leads to: an environment variable, which `env -i` drops, and the soft
value of RLIMIT_LOCKS, which Linux has not enforced since 2.4.25 and next to nothing changes. Pure.
"""

import sys

MARKER = "TEAMFLOW_ATTEMPT_ID"
SOCKET_PATH = 107 if sys.platform == "linux" else 103  # bytes of a socket's path, without the NUL at its end
RLIMIT_LOCKS = 10

_PREFIX_BITS = 38
_NUMBER_BITS = 24


def fnv64(data: bytes) -> int:
    """FNV-1a, 64 bits: names, not secrets; hashlib would cost more than it hashes."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def run_hash(run_dir: str) -> str:
    """16 hex digits for a run directory, given as its real path."""
    return "%016x" % fnv64(run_dir.encode("utf-8", "surrogateescape"))


def marker(run: str, step: str, attempt: int) -> str:
    """The value of MARKER in the environment of everything that an attempt starts."""
    return "%s:%s:%d" % (run, step, attempt)


def limit_mark(run: str, number: int) -> int:
    """The soft RLIMIT_LOCKS of the number-th start of a run: 2**62 and up, so as good as unlimited.

    The number wraps after 16 million starts, long after the processes of the first one are gone.
    """
    return 1 << 62 | _prefix(run) << _NUMBER_BITS | number & (1 << _NUMBER_BITS) - 1


def carries_run(run: str, limit: int) -> bool:
    """Whether a soft RLIMIT_LOCKS is the mark of some start of this run."""
    return limit >> _NUMBER_BITS == 1 << 62 - _NUMBER_BITS | _prefix(run)


def _prefix(run: str) -> int:
    return int(run, 16) >> 64 - _PREFIX_BITS


def cgroup_name(run: str) -> str:
    """The directory of a run below the keeper's own cgroup."""
    return "teamflow-" + run
