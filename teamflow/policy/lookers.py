"""Programs that change nothing, and the options with which they do not: one table.

An option that is not named here is not known to be harmless: every word that begins with a dash is held against the
table, wherever it stands, as no program's way of telling options from their values is imitated. Refuses to know shells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from teamflow.core.named import NamedTuple


def _words(*rows: str) -> frozenset[str]:
    return frozenset(word for row in rows for word in row.split())


HARMLESS: Final = _words(
    "basename cat cksum cmp column comm cut df diff dirname du echo egrep false fgrep fold grep head id join ls "
    "md5sum nl nproc od paste pwd readlink realpath rev seq sha1sum sha256sum sha512sum stat strings tac tail tr "
    "true type uname wc which whoami"
)
"""Whatever their arguments."""

VERSIONED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_words("bash clang cmake gcc git java jq make mypy node npm perl ruby ruff"), ("--version",)),
    **dict.fromkeys(_words("pip pip3 python python3 rg"), ("--version", "-V")),
}
"""Programs that say their version, asked by one of these words, before they look at anything. Those that choose, or
fetch, another version of themselves by what the project says (go, cargo, yarn, pnpm) are none of them."""


class Options(NamedTuple):
    """What may stand behind a program. `flags`: letters that take no value and may be joined; `valued`: letters that
    take the rest of the word as theirs, or the next one; `long`: names, with or without `=value`. `numbers`: `-20`.
    `most`: so many words that are no options, and then no patterns of file names.
    """

    flags: str = ""
    valued: str = ""
    long: frozenset[str] = frozenset()
    numbers: bool = False
    most: int | None = None

    def cover(self, words: tuple[str, ...], *, wild: bool = False) -> bool:
        """Whether these arguments are known to change nothing."""
        plain = sum(not word.startswith("-") or word == "-" for word in words)
        if self.most is not None and (wild or plain > self.most):
            return False
        return all(map(self._known, words))

    def _known(self, word: str) -> bool:
        if not word.startswith("-") or word in ("-", "--"):
            return True
        if word.startswith("--"):
            return word[2:].partition("=")[0] in self.long
        if self.numbers and word[1:].isdecimal():
            return True
        for letter in word[1:]:
            if letter in self.valued:
                return True
            if letter not in self.flags:
                return False
        return True


_SORT: Final = Options(
    "bdfghiMnrRuVszcC",
    "kt",
    _words("reverse unique numeric-sort human-numeric-sort version-sort general-numeric-sort ignore-case key",
          "field-separator ignore-leading-blanks stable zero-terminated check month-sort"),
)  # fmt: skip
_RG: Final = Options(
    "cFHilLnNoqsSuUvwxaIp0P.",
    "ABCegmtTdjMr",
    _words("after-context before-context binary block-buffered byte-offset case-sensitive color column context count",
          "count-matches crlf files files-with-matches files-without-match fixed-strings follow glob heading help",
          "hidden iglob ignore-case invert-match json line-number line-regexp max-columns max-count max-depth",
          "max-filesize multiline multiline-dotall no-config no-filename no-heading no-ignore no-ignore-vcs",
          "no-line-number no-messages no-hidden null one-file-system only-matching passthru pcre2 pretty quiet regexp",
          "replace smart-case sort sortr stats text threads trim type type-list type-not unrestricted version vimgrep",
          "with-filename word-regexp"),
)  # fmt: skip
_JQ: Final = Options(
    "acCejMnrRsS",
    "",
    _words("arg argjson args ascii-output color-output compact-output exit-status indent join-output jsonargs",
          "monochrome-output null-input raw-input raw-output rawfile slurp slurpfile sort-keys tab version"),
)  # fmt: skip

PROGRAMS: Final[Mapping[str, Options]] = {
    "sort": _SORT,
    "rg": _RG,
    "jq": _JQ,
    # A second file name is where it writes to.
    "uniq": Options("cdDiuz", "fsw", _words("count repeated unique ignore-case zero-terminated"), most=1),
    "file": Options("bhikLNr0", "", _words("brief mime mime-type mime-encoding dereference no-dereference version")),
    "tree": Options(
        "adfgihlpsuDFJCnt", "ILP", _words("dirsfirst gitignore noreport du si prune matchdirs filelimit charset")
    ),
}

# What merges a second time for the sake of the difference writes objects: no --remerge-diff, no --diff-merges.
_DIFF: Final = (
    "patch no-patch stat shortstat numstat dirstat summary name-only name-status raw patch-with-stat patch-with-raw "
    "color no-color color-words color-moved word-diff word-diff-regex ignore-all-space ignore-space-change "
    "ignore-blank-lines ignore-space-at-eol ignore-cr-at-eol ignore-matching-lines minimal patience histogram "
    "diff-algorithm cached staged merge-base unified find-renames find-copies find-copies-harder no-renames "
    "break-rewrites diff-filter pickaxe-regex pickaxe-all relative no-relative text exit-code quiet no-ext-diff "
    "no-textconv ignore-submodules submodule check full-index binary abbrev no-prefix src-prefix dst-prefix "
    "default-prefix compact-summary function-context inter-hunk-context indent-heuristic no-indent-heuristic cc base "
    "ours theirs root no-commit-id"
)
_LOG: Final = (
    "oneline graph no-graph decorate no-decorate all branches tags remotes no-merges merges first-parent reverse "
    "follow max-count skip since after until before author committer grep regexp-ignore-case extended-regexp "
    "fixed-strings perl-regexp invert-grep all-match pretty format abbrev-commit no-abbrev-commit date relative-date "
    "topo-order date-order author-date-order left-right left-only right-only cherry-pick cherry-mark cherry boundary "
    "full-history simplify-merges dense sparse ancestry-path source parents children count notes no-notes no-walk not "
    "walk-reflogs mailmap no-mailmap merge combined-all-paths min-parents max-parents exclude glob "
    "simplify-by-decoration log-size"
)
_DIFFS: Final = Options("pusbwaqzRWDBMCmctr", "USGMClXn", _words(_DIFF), numbers=True)
_LOGS: Final = Options("pusbwaqzRWDBMCmctigEFP", "USGMCLlXn", _words(_DIFF, _LOG), numbers=True)

GIT: Final[Mapping[str, Options]] = {
    "diff": _DIFFS,
    "diff-tree": _DIFFS,
    "log": _LOGS,
    "show": _LOGS,
    "rev-list": _LOGS,
    "stash list": _LOGS,
    "stash show": _DIFFS,
    "reflog show": _LOGS,
    "reflog": _LOGS._replace(most=0),
    "status": Options("sbvz", "u", _words("short branch show-stash porcelain long verbose untracked-files ignored",
                                         "ignore-submodules column no-column ahead-behind no-ahead-behind renames",
                                         "no-renames find-renames")),
    "blame": Options("ltwsepfnbck", "LMC", _words("porcelain line-porcelain date since root show-stats show-name",
                                                 "show-number show-email abbrev color-lines color-by-age reverse",
                                                 "first-parent incremental")),
    "grep": Options("nilLcwvEFPGhHWpIazoqr", "ABCefm", _words(
        "count files-with-matches files-without-match name-only line-number column untracked cached heading break",
        "all-match and or not max-depth threads ignore-case word-regexp invert-match extended-regexp fixed-strings",
        "perl-regexp basic-regexp only-matching quiet null context after-context before-context show-function",
        "function-context color no-color full-name recursive no-recursive exclude-standard max-count text")),
    "ls-files": Options("cdmoisuktvz", "xX", _words(
        "cached deleted modified others ignored stage unmerged killed exclude-standard exclude exclude-from directory",
        "no-empty-directory error-unmatch full-name recurse-submodules abbrev eol deduplicate with-tree")),
    "ls-tree": Options("rdtlz", "", _words("name-only name-status long full-name full-tree abbrev object-only")),
    "rev-parse": Options("q", "", _words(
        "abbrev-ref short verify quiet show-toplevel show-prefix show-cdup git-dir absolute-git-dir git-common-dir",
        "is-inside-work-tree is-inside-git-dir is-bare-repository is-shallow-repository symbolic symbolic-full-name",
        "all branches tags remotes show-superproject-working-tree show-object-format git-path")),
    "describe": Options("", "", _words("tags all long always abbrev dirty broken exact-match match exclude contains",
                                      "first-parent candidates")),
    "cat-file": Options("tsep"),
    "shortlog": Options("sne", "", _words("summary numbered email group", _LOG)),
    "merge-base": Options("a", "", _words("all is-ancestor octopus fork-point independent")),
    "name-rev": Options("", "", _words("tags name-only refs exclude all always")),
    "check-ignore": Options("vqn", "", _words("verbose quiet non-matching")),
    "count-objects": Options("vH", "", _words("verbose human-readable"), most=0),
    # A name behind these would be made, unless they are told to list.
    "branch": Options("arv", "", _words("all remotes verbose show-current list color no-color column no-column sort"),
                      most=0),
    "branch --list": Options("arv", "", _words("all remotes verbose list color no-color contains merged no-merged sort",
                                              "points-at ignore-case")),
    "tag": Options("", "n", _words("list sort column no-column"), most=0),
    "tag -l": Options("l", "n", _words("list sort contains no-contains merged no-merged points-at ignore-case")),
    "tag --list": Options("l", "n", _words("list sort contains no-contains merged no-merged points-at ignore-case")),
    "remote": Options("v", "", _words("verbose"), most=0),
    "remote get-url": Options("", "", _words("push all")),
    "worktree list": Options("vz", "", _words("porcelain verbose"), most=0),
    "config --get": Options(),
    "config --get-all": Options(),
    "config --list": Options("", "", _words("show-origin show-scope name-only local global system"), most=0),
    "config -l": Options("", "", _words("show-origin show-scope name-only local global system"), most=0),
    "version": Options(most=0),
}  # fmt: skip
"""By subcommand; two words where the second one says that it only lists or shows."""

GIT_FIRST: Final = frozenset(
    ("--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--glob-pathspecs", "--no-replace-objects")
)
"""What may stand before the subcommand, but for `-C`."""

_FIND: Final = _words(
    "-H -L -P -a -amin -and -anewer -atime -cmin -cnewer -ctime -daystart -depth -empty -executable -false "
    "-follow -fstype -gid -group -ignore_readdir_race -iname -inum -ipath -iregex -iwholename -links -ls "
    "-maxdepth -mindepth -mmin -mount -mtime -name -newer -newermt -nogroup -noleaf -not -nouser -nowarn -o -or "
    "-path -perm -print -print0 -printf -prune -quit -readable -regex -regextype -samefile -size -true -type -uid "
    "-user -wholename -writable -xdev -xtype"
)
_NUMBER: Final = re.compile(r"[-+]?\d+[a-zA-Z]?")
_MODE: Final = re.compile(r"[-/][0-7ugoarwxst=+,-]+")
_LINES: Final = re.compile(r"(?:\d+|\$)(?:,(?:\d+|\$))?p")
_FORMAT: Final = re.compile(r"(?:[^%]|%%|%s)*", re.DOTALL)
_QUESTIONS: Final = frozenset(("-e", "-f", "-d", "-r", "-w", "-x", "-s", "-L", "-h", "-n", "-z"))


def _find(words: tuple[str, ...]) -> bool:
    return all(
        not word.startswith("-")
        or word in _FIND
        or _NUMBER.fullmatch(word) is not None
        or (index > 0 and words[index - 1] == "-perm" and _MODE.fullmatch(word) is not None)
        for index, word in enumerate(words)
    )


def _sed(words: tuple[str, ...]) -> bool:
    """`sed -n 1,20p FILE…`, and nothing else: its language writes files and starts programs."""
    if len(words) < 2 or words[0] != "-n" or any(word.startswith("-") for word in words[1:]):
        return False
    return all(_LINES.fullmatch(line) for line in words[1].split(";"))


def _printf(words: tuple[str, ...]) -> bool:
    """Without -v and numbers: shells set variables, and work out what stands in brackets."""
    return bool(words) and not words[0].startswith("-") and _FORMAT.fullmatch(words[0]) is not None


def _date(words: tuple[str, ...]) -> bool:
    """Without a time, which it would set."""
    return all(word.startswith("+") or word in ("-u", "--utc", "-R", "-I", "--iso-8601") for word in words)


def _test(words: tuple[str, ...]) -> bool:
    return len(words) == 2 and words[0] in _QUESTIONS


def _command(words: tuple[str, ...]) -> bool:
    return len(words) >= 2 and words[0] in ("-v", "-V")


def _teamflow(words: tuple[str, ...]) -> bool:
    """`teamflow progress`, as every agent is told to call it: it changes nothing but what people see of its step."""
    options = [word for word in words[1:] if word.startswith("-")]
    return len(words) >= 2 and words[0] == "progress" and all(word in ("--json", "--help", "-h") for word in options)


SPECIAL: Final[Mapping[str, Callable[[tuple[str, ...]], bool]]] = {
    "find": _find,
    "sed": _sed,
    "printf": _printf,
    "test": _test,
    "command": _command,
    "date": _date,
    "teamflow": _teamflow,
}
"""Programs with a language of their own, given their arguments."""

ONE_BY_ONE: Final = frozenset(("test", "printf", "date", "teamflow"))
"""Those of them for which it matters which word stands where, so that none may be a pattern of file names."""
