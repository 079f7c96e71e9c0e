"""Whether what a step has changed is what it may change: its `writes`, `permissions.edit`, and its diff policy. Pure.

Decides by names and counts; contents are asked for only of files that declare dependencies, and of tests that lost
lines. Refuses to know where the files are. Neither the order of the changes nor that of two runs makes a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Protocol

from teamflow.core.globs import PathSet, PatternError
from teamflow.core.named import NamedTuple
from teamflow.core.outcome import Failed, FailureClass
from teamflow.core.paths import path_shown, paths_shown
from teamflow.core.plan import DiffPolicy
from teamflow.core.work import Change
from teamflow.policy.manifests import Manifest, manifest_of, names_in
from teamflow.policy.own_settings import is_named, setting_in
from teamflow.policy.testfiles import is_test

LISTED: Final = 50
"""So many files are named to the next attempt, of each fault."""
_PATTERNS: Final = 5
_BLANK: Final = 5
"""Where more lines came, a test is not looked into: they are not all blank."""


class Read(Protocol):
    """What a file held before the step, or holds `after` it; None: there is none, or it is no plain file."""

    def __call__(self, path: str, *, after: bool) -> bytes | None: ...


class Fault(NamedTuple):
    """One thing that is not allowed. `lines`: what to tell the next attempt of each file."""

    reason: str
    lines: tuple[str, ...]


def judged(
    changes: Sequence[Change],
    *,
    writes: Sequence[str],
    diff: DiffPolicy | None,
    edit: Sequence[str] | None = None,
    artifacts: Collection[str] = (),
    read: Read | None = None,
    fenced: bool = False,
    hidden: Sequence[str] = (),
) -> Failed | None:
    """Why the changes of an attempt may not be kept (class writes); None: they may.

    `writes` empty: every file may be changed. `edit`: the files that its agent may edit, whatever has changed them (a
    command of the agent, too); None: all, (): none (`Permissions.editable`). `artifacts`: paths of declared output
    files, which may always be written, and be binary. Without `read` every change of a file that declares dependencies
    is a new dependency. `fenced`: they are an agent's that may not do all, so settings of agents have to be named;
    `hidden`: those that it left where git does not look.
    """
    changes = sorted(changes)
    faults: list[Fault] = []
    for key, patterns in (("writes", writes or None), ("permissions.edit", edit)):
        try:
            outside = None if patterns is None else _outside(changes, key, patterns, artifacts)
        except PatternError as error:
            return Failed(FailureClass.WRITES, f"cannot tell what `{key}` allows: {error}")
        if outside is not None:
            faults.append(outside)
    if fenced:
        paths = sorted({*(change.path for change in changes), *hidden} - {*artifacts})
        loose = [path for path in paths if setting_in(path) and not is_named(path, writes, edit or ())]
        if loose:
            faults.append(_settings(loose))
    about_diff = [] if diff is None else _against(diff, changes, artifacts, read)
    if about_diff:
        reason = "; ".join(fault.reason for fault in about_diff)
        faults.append(Fault(f"diff: {reason}", tuple(line for fault in about_diff for line in fault.lines)))
    if not faults:
        return None
    return Failed(FailureClass.WRITES, faults[0].reason, detail="\n".join(_told(faults)))


def _told(faults: Iterable[Fault]) -> Iterable[str]:
    for fault in faults:
        yield fault.reason
        yield from fault.lines


def _outside(changes: Sequence[Change], key: str, allows: Sequence[str], artifacts: Collection[str]) -> Fault | None:
    allowed, declared = PathSet(allows), frozenset(artifacts)
    wrong = [change.path for change in changes if change.path not in allowed and change.path not in declared]
    if not wrong:
        return None
    patterns = ", ".join(path_shown(pattern, longest=60) for pattern in allows[:_PATTERNS]) or "none"
    rest = f" and {len(allows) - _PATTERNS} more" if len(allows) > _PATTERNS else ""
    return Fault(f"edited outside of `{key}`: {paths_shown(wrong)} (allowed: {patterns}{rest})", _lines(wrong))


def _settings(wrong: Sequence[str]) -> Fault:
    """They would start programs, or widen permissions, in the steps that come after."""
    name = setting_in(wrong[0])
    pattern = name if name.endswith((".json", ".jsonc")) else f"{name}/**"
    named = f'names it in so many words (["**", "{pattern}"])'
    reason = (
        f"changed settings of agents: {paths_shown(wrong)}, which could start programs outside of its permissions; "
        f"such a change is kept only where `writes` or `permissions.edit` {named}"
    )
    return Fault(reason, _lines(wrong))


def _lines(paths: Sequence[str]) -> tuple[str, ...]:
    named = tuple(f"- {path_shown(path)}" for path in paths[:LISTED])
    return (*named, f"- and {len(paths) - LISTED} more") if len(paths) > LISTED else named


def _against(diff: DiffPolicy, changes: Sequence[Change], artifacts: Collection[str], read: Read | None) -> list[Fault]:
    found: list[Fault | None] = [_too_long(changes, diff.max_lines)]
    if "deleted_tests" in diff.forbid:
        found.append(_named("deleted tests", _deleted_tests(changes, read)))
    if "new_dependency" in diff.forbid:
        found.extend(_dependencies(changes, read))
    if "binary" in diff.forbid:
        declared = frozenset(artifacts)
        binary = [change.path for change in changes if change.binary and change.kind != "D"]
        found.append(_named("binary files", [path for path in binary if path not in declared]))
    return [fault for fault in found if fault is not None]


def _named(what: str, paths: Sequence[str]) -> Fault | None:
    return Fault(f"{what}: {paths_shown(paths)}", _lines(paths)) if paths else None


def _too_long(changes: Sequence[Change], most: int | None) -> Fault | None:
    sizes = {change.path: change.added + change.deleted for change in changes if not change.binary}
    total = sum(sizes.values())
    if most is None or total <= most:
        return None
    largest = sorted((path for path, size in sizes.items() if size), key=lambda path: (-sizes[path], path))
    lines = [f"- {path_shown(path)} ({sizes[path]})" for path in largest[:LISTED]]
    if len(largest) > LISTED:
        lines.append(f"- and {len(largest) - LISTED} more")
    return Fault(f"{total} lines changed, at most {most}", tuple(lines))


def _deleted_tests(changes: Sequence[Change], read: Read | None) -> list[str]:
    """Tests that are gone, without one of the same name that came elsewhere with something in it."""
    came = Counter(
        _name(change.path) for change in changes if change.kind == "A" and change.added and is_test(change.path)
    )
    gone: list[str] = []
    for change in changes:
        if not is_test(change.path):
            continue
        if change.kind == "D":
            if came[_name(change.path)] > 0:
                came[_name(change.path)] -= 1
            else:
                gone.append(change.path)
        elif _emptied(change, read):
            gone.append(change.path)
    return gone


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _emptied(change: Change, read: Read | None) -> bool:
    """Whether a test is there in name only: empty, or a link now (of another type, and more lines went than came)."""
    if change.kind == "T":
        return change.deleted > change.added
    if change.kind != "M" or not change.deleted or change.added > _BLANK or read is None:
        return False
    content = read(change.path, after=True)
    return content is not None and not content.strip()


def _dependencies(changes: Sequence[Change], read: Read | None) -> list[Fault]:
    """New names, and files that gained lines of which nobody can tell whether they name something new."""
    manifests = [(change, manifest) for change in changes if (manifest := manifest_of(change.path)) is not None]
    if read is None:
        grown = [change.path for change, _ in manifests if _grown(change)]
        fault = _named("dependencies changed", grown)
        return [] if fault is None else [fault]
    known: dict[str, set[str]] = {}
    for change, manifest in manifests:
        if change.kind != "A" and manifest.names is not None:
            before = names_in(manifest, read(change.path, after=False))
            known.setdefault(manifest.ecosystem, set()).update(before or ())
    untold: list[str] = []
    new: dict[str, list[str]] = {}
    for change, manifest in manifests:
        if manifest.lock or not _grown(change):
            continue
        names = _declared(change, manifest, read)
        if names is None:
            untold.append(change.path)
        elif names - known.get(manifest.ecosystem, set()):
            new[change.path] = sorted(names - known.get(manifest.ecosystem, set()))
    found = [_new(new), _named("dependencies changed", untold)]
    return [fault for fault in found if fault is not None]


def _grown(change: Change) -> bool:
    """Whether something can have been declared: a file that only lost lines declares nothing new."""
    return change.kind != "D" and (change.added > 0 or change.binary)


def _declared(change: Change, manifest: Manifest, read: Read) -> frozenset[str] | None:
    """The names that it has now; None: they cannot be told, or not what they were."""
    after = read(change.path, after=True)
    if after is None:
        return None
    if change.kind != "A" and names_in(manifest, read(change.path, after=False)) is None:
        return None
    return names_in(manifest, after)


def _new(new: dict[str, list[str]]) -> Fault | None:
    if not new:
        return None
    names = [(name, path) for path, names in new.items() for name in names]
    name, path = names[0]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    lines = [f"- {path_shown(name)} ({path_shown(path)})" for name, path in names[:LISTED]]
    if len(names) > LISTED:
        lines.append(f"- and {len(names) - LISTED} more")
    shown = f"{path_shown(name, longest=60)} ({path_shown(path, longest=120)})"
    return Fault(f"new dependency: {shown}{more}", tuple(lines))
