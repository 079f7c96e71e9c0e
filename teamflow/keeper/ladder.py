"""When which signal is due in a stop: a pure function of time, knows no process.

A ladder is a tuple of rungs (time, stage), in order. Times are seconds of any one clock.
"""

INT = "INT"
TERM = "TERM"  # SIGTERM, then SIGCONT, so that stopped processes get it
KILL = "KILL"

LEFTOVER_GRACE = 2.0

MYPY = False
if MYPY:
    Ladder = tuple[tuple[float, str], ...]


def stop(now: float, grace: float, soft: float = 0.0) -> "Ladder":
    """SIGINT after `soft`, SIGTERM at half of the grace, SIGKILL at its end (seconds); only SIGKILL without grace."""
    if grace <= 0:
        return ((now, KILL),)
    return ((now + min(max(soft, 0.0), grace / 2), INT), (now + grace / 2, TERM), (now + grace, KILL))


def leftover(now: float, rest: "Ladder") -> "Ladder":
    """What is left after the main process ended: SIGTERM now, SIGKILL in 2 s or when a running ladder says so."""
    end = now + LEFTOVER_GRACE
    if rest:
        end = min(end, rest[-1][0])
    return ((now, TERM), (end, KILL)) if end > now else ((now, KILL),)


def hasten(rest: "Ladder", now: float, grace: float) -> "Ladder":
    """A second stop: each rung that is left comes no later than a new ladder's would, and none comes later."""
    fresh = {stage: at for at, stage in stop(now, grace)}
    return tuple((min(at, fresh.get(stage, fresh[KILL])), stage) for at, stage in rest)


def due(rest: "Ladder", now: float) -> "tuple[tuple[str, ...], Ladder]":
    """The stages to carry out now and the rungs that remain; SIGKILL makes the ones before it needless."""
    count = 0
    while count < len(rest) and rest[count][0] <= now:
        count += 1
    stages = tuple(stage for _, stage in rest[:count])
    return ((KILL,) if KILL in stages else stages), rest[count:]


def shift(rest: "Ladder", seconds: float) -> "Ladder":
    """The same ladder, later."""
    return tuple((at + seconds, stage) for at, stage in rest)
