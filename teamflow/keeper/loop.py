"""The loop of the keeper: waits, lets phases and connections act, writes the journal once a wake-up, sends it on.

Decides who owns the keeper, what an operation means, and when the keeper ends.
"""

import posix
import time

from . import containment, faults, proc, wire
from .link import Link, accept
from .untold import Untold

MYPY = False
if MYPY:
    import _socket
    from typing import Any, Callable

    from .feed import Feed
    from .journal import Journal
    from .phases import Phases

NEVER = float("inf")
CHORES = 1.0  # seconds between looks at the run directory
RETRY = 1.0  # seconds between tries to write a journal that the disk refuses
FIRST = 10.0  # seconds that the first runner has to come
LONGEST = 30.0  # seconds of one wait: it does not count the time of a suspend, our deadlines do
LAST_WORDS = 1.0  # seconds that the last lines have to go out
IN, OUT = 1, 4  # EPOLLIN and EPOLLOUT, and what other pollers call the same


class Options:
    """Settings of the command line: seconds, file descriptors; orphan_after is infinite for never."""

    __slots__ = ("linger", "listen_fd", "orphan_after", "ready_fd")

    def __init__(self) -> None:
        self.linger = 2.0
        self.orphan_after = 3600.0
        self.listen_fd = -1
        self.ready_fd = -1


class Loop:
    """One keeper at work. `run` comes back when the keeper has to exit."""

    def __init__(
        self, run_dir: str, options: Options, phases: "Phases", journal: "Journal",
        listener: "_socket.socket", wakeup: int, welcome: "dict[str, Any]",
    ) -> None:  # fmt: skip
        self._run_dir = run_dir
        self._identity = _identity(run_dir)
        self._options = options
        self._phases = phases
        self._journal = journal
        self._listener = listener
        self._wakeup = wakeup
        self._welcome = welcome
        self._poll = proc.poller(wakeup)
        self._keeps_closed: bool = getattr(self._poll, "keeps_closed", False)
        phases.follow = getattr(self._poll, "follow", None)
        self._links: "dict[int, Link]" = {}
        self._feeds: "dict[int, Feed]" = {}
        self._untold = Untold()
        self._owner: "Link | None" = None
        self._alone = proc.boottime()  # since when there is no owner
        self._met = False  # whether there ever was one
        self._quitting = False
        self._ending: "str | None" = None  # cause with which everything is being stopped for good
        self._free = self._alone  # since when nothing runs
        self._chores = self._alone + CHORES
        self._retry = NEVER
        self._strays = NEVER
        self._stray_kills = 0
        self.terminate = False  # set by SIGTERM
        self._poll.register(listener.fileno(), IN)
        self._poll.register(wakeup, IN)

    def run(self) -> None:
        """Works until there is nothing left to do or to wait for."""
        while True:
            events = self._poll.poll(self._patience())
            now = proc.boottime()
            for fd, _ in events:
                if fd == self._wakeup:
                    self._signalled(now)
            for fd, what in events:
                self._event(fd, what, now)
            if self._phases.due <= now:
                self._record(now)  # what has happened is told first: a look at all processes may take its time
                if self._owner:
                    self._owner.write()
                self._phases.tick(now)
            self._phases.home()
            self._flush(now)
            if self._over(now):
                return

    def _patience(self) -> float:
        """Seconds to wait at most."""
        due = min(self._phases.due, self._untold.due, self._chores, self._retry, self._strays, self._end_at())
        return min(max(due - proc.boottime(), 0.0), LONGEST)

    def _end_at(self) -> float:
        """When being alone has to have a consequence."""
        if self._owner:
            return NEVER
        if self._phases.jobs:
            return NEVER if self._ending else self._alone + self._options.orphan_after
        linger = self._options.linger if self._met else max(FIRST, self._options.linger)
        return max(self._alone, self._free) + linger

    # -- events

    def _signalled(self, now: float) -> None:
        try:
            while len(posix.read(self._wakeup, 512)) == 512:
                pass
        except BlockingIOError:
            pass
        had = bool(self._phases.jobs)
        self._phases.reap(now)
        if had and not self._phases.jobs:
            self._free = now
        if self.terminate and not self._ending:
            self._end("keeper_stopped", None, now)

    def _event(self, fd: int, what: int, now: float) -> None:
        if fd == self._wakeup:
            return
        if fd == self._listener.fileno():
            self._accept()
        elif fd in self._feeds:
            self._feeds[fd].write()
            self._phases.fed.append(self._feeds[fd])
        elif fd in self._links:
            link = self._links[fd]
            if what & ~OUT:
                self._read(link, now)

    def _accept(self) -> None:
        while True:
            link = accept(self._listener)
            if link is None:
                return
            self._links[link.fd] = link
            self._poll.register(link.fd, IN)

    def _read(self, link: Link, now: float) -> None:
        try:
            lines = link.read()
        except wire.Malformed as error:
            link.send({"op": "error", "error": "malformed", "text": str(error)})
            link.write()
            link.lost = True
            return
        for line in lines:
            try:
                self._message(link, wire.decode(line), now)
            except wire.Malformed as error:
                _complain(link, {}, "malformed", str(error))
        self._phases.launch(now)

    # -- operations

    def _message(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        name = message.get("op")
        if name == "hello":
            self._hello(link, message)
            return
        if link is not self._owner:
            _complain(link, message, "not_owner", "say hello first")
            return
        try:
            if name == "start":
                self._phases.ask(message)
                return
            self._phases.launch(now)
            if name == "env":
                self._phases.environments.name(str(message.get("id")), message.get("vars"))
            else:
                self._seldom(link, name, message, now)
        except wire.Malformed as error:
            _complain(link, message, "malformed", str(error))

    def _seldom(self, link: Link, name: "Any", message: "dict[str, Any]", now: float) -> None:
        operations: "dict[Any, Callable[[Link, dict[str, Any], float], None]]" = {
            "input": self._input, "stop": self._stop, "stop_all": self._stop, "freeze": self._still,
            "thaw": self._still, "hold": self._still, "release": self._still, "ping": self._ping,
            "orphan_after": self._orphan_after, "quit": self._quit,
        }  # fmt: skip
        if type(name) is str and name in operations:
            operations[name](link, message, now)
        else:
            _complain(link, message, "unknown_op", "this keeper does not know it")

    def _hello(self, link: Link, message: "dict[str, Any]") -> None:
        self._phases.launch(proc.boottime())
        after = message.get("after", 0)
        if type(after) is not int or after < 0:
            raise wire.Malformed("after is not a number of an entry")
        self._flush_entries(proc.boottime())
        self._untold = Untold()  # what is in the file is sent from there
        if self._owner and self._owner is not link:
            self._owner.send({"op": "superseded"})
            self._owner.write()
            self._owner.lost = True
        self._owner = link
        self._met = True
        self._quitting = False
        link.send(dict(self._welcome, seq=self._journal.kept))
        past = self._journal.replay(after) if after < self._journal.kept else b""
        if past:
            link.put_past(past)
        if self._journal.error:
            link.send(self._disk())

    def _input(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        code = self._phases.input(message)
        if code:
            _complain(link, message, code, "input %s was not taken" % message.get("n"))

    def _stop(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        grace, soft = message.get("grace"), message.get("soft", 0)
        if not all(seconds is None or type(seconds) in (int, float) for seconds in (grace, soft)):
            raise wire.Malformed("grace and soft are not numbers of seconds")
        if message["op"] == "stop_all":
            self._phases.stop_all(grace, str(message.get("cause", "interrupt")), now)
        else:
            cause = str(message.get("cause", "cancel"))
            self._phases.stop(*_attempt(message), grace, cause, now, soft or 0.0)

    def _still(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        why = "freeze" if message["op"] in ("freeze", "thaw") else "hold"
        self._phases.still(*_attempt(message), now, why, on=message["op"] in ("freeze", "hold"))

    def _orphan_after(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        seconds = message.get("seconds")
        if seconds is not None and type(seconds) not in (int, float):
            raise wire.Malformed("seconds is not a number")
        self._options.orphan_after = NEVER if seconds is None else float(seconds)

    def _ping(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        link.send({"op": "pong"})

    def _quit(self, link: Link, message: "dict[str, Any]", now: float) -> None:
        if self._phases.running:
            _complain(link, message, "running", "%d phases run" % self._phases.running)
        else:
            self._quitting = True

    # -- after each wake-up

    def _flush(self, now: float) -> None:
        """Writes the journal, sends what was written, and brings the list of what is waited for up to date."""
        self._record(now)
        for feed in self._phases.fed:
            self._watch_feed(feed)
        self._phases.fed.clear()
        for link in list(self._links.values()):
            link.write()
            if link.lost:
                self._drop(link, now)
            elif link.wants != link.watched:
                link.watched = link.wants
                self._poll.modify(link.fd, IN | (OUT if link.wants else 0))
        if now >= self._chores:
            self._chore(now)

    def _record(self, now: float) -> None:
        """Writes new entries, a disk that refused only once a second, and tells what is due."""
        if not self._journal.idle and not (self._journal.error and now < self._retry):
            self._flush_entries(now)
            self._retry = now + RETRY if self._journal.error else NEVER
        lines = self._untold.take(now)
        if lines and self._owner:
            self._owner.put(lines)

    def _flush_entries(self, now: float) -> None:
        refused = self._journal.error is not None
        pressing = self._journal.pressing
        written = self._journal.flush()
        if written:
            self._untold.add(written, now, pressing=pressing)
        if refused == (self._journal.error is not None):
            return
        error = self._journal.error
        self._phases.refuse = None
        if error:
            self._phases.refuse = (error.errno or 0, "the journal cannot be written: %s" % error.strerror)
        if self._owner:
            self._owner.send(self._disk())
        if not error:
            self._journal.save_ballast()

    def _disk(self) -> "dict[str, Any]":
        error = self._journal.error
        if error is None:
            return {"op": "disk", "full": False}
        return {"op": "disk", "full": True, "path": self._journal.path, "error": error.strerror or str(error)}

    def _watch_feed(self, feed: "Feed") -> None:
        """Waits for room in a pipe exactly while something waits to be written to it."""
        watched = [fd for fd, known in self._feeds.items() if known is feed]
        if feed.wants and not watched:
            self._feeds[feed.fd] = feed
            self._poll.register(feed.fd, OUT)
        elif not feed.wants and watched:
            del self._feeds[watched[0]]
            # A number whose file was closed may be somebody else's by now.
            if feed.fd >= 0 or (self._keeps_closed and watched[0] not in self._links):
                self._poll.unregister(watched[0])

    def _drop(self, link: Link, now: float) -> None:
        del self._links[link.fd]
        if self._keeps_closed:
            self._poll.unregister(link.fd)
        link.close()
        if link is self._owner:
            self._owner = None
            self._alone = now

    def _chore(self, now: float) -> None:
        self._chores = now + CHORES
        self._phases.sweep()
        if _identity(self._run_dir) != self._identity and not self._ending:
            self._end("run_dir_gone", 0.0, now)
        for fault in self._phases.faults:
            faults.note(self._run_dir, fault + "\n")
        self._phases.faults.clear()

    # -- the end

    def _end(self, cause: str, grace: "float | None", now: float) -> None:
        """Stops everything for good."""
        self._ending = cause
        self._phases.refuse = (0, "the keeper is stopping (%s)" % cause)
        self._phases.stop_all(grace, cause, now)

    def _over(self, now: float) -> bool:
        """Whether to exit; kills what escaped from its phase when no phase is left."""
        if self._phases.jobs:
            if not self._ending and now >= self._end_at():
                self._end("orphaned", None, now)
            return False
        if self._phases.children and not self._kill_strays(now):
            return False
        self._strays = NEVER
        if not (self._quitting or self._ending or now >= self._end_at()):
            return False
        if self._journal.error and self._ending != "run_dir_gone":
            return False
        self._say_bye()
        return True

    def _kill_strays(self, now: float) -> bool:
        """Whether to give up on children that do not die."""
        if self._strays == NEVER:
            self._stray_kills = 0
        if now >= self._strays or self._strays == NEVER:
            self._phases.reap(now)
            if not self._phases.children or (containment.kill_strays() == 0 and self._stray_kills > 500):
                return True
            self._stray_kills += 1
            self._strays = now + 0.02
        return False

    def _say_bye(self) -> None:
        if not self._owner:
            return
        if self._quitting:
            self._owner.send({"op": "bye"})
        until = time.monotonic() + LAST_WORDS
        self._owner.write()
        while self._owner.wants and time.monotonic() < until:
            time.sleep(0.01)
            self._owner.write()


def _attempt(message: "dict[str, Any]") -> "tuple[str, int]":
    step, attempt = message.get("step"), message.get("attempt")
    if type(step) is not str or type(attempt) is not int:
        raise wire.Malformed("step and attempt are not a string and an integer")
    return step, attempt


def _complain(link: Link, message: "dict[str, Any]", code: str, text: str) -> None:
    answer = {"op": "error", "error": code, "of": message.get("op"), "text": text}
    for name in ("step", "attempt", "phase", "n"):
        if name in message:
            answer[name] = message[name]
    link.send(answer)


def _identity(path: str) -> "tuple[int, int] | None":
    try:
        stat = posix.stat(path)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
