"""Codes of plans and runs: what is wrong with a team only together with inputs, a selection or this machine."""

from __future__ import annotations

from typing import Final

from teamflow.core.code import Code

RUN: Final = (
    Code(
        "cycle",
        "agents wait for each other",
        "Following depends_on and references leads back to where it began, so none of these agents could "
        "ever start. The place of each dependency on the circle is listed.",
        "agents:\n  a: {command: make a, depends_on: [b]}\n  b: {command: make b, depends_on: [a]}\n",
        "agents:\n  a: {command: make a}\n  b: {command: make b, depends_on: [a]}\n",
        "plan",
    ),
    Code(
        "rework-not-before",
        "a loop reworks an agent that does not come before it",
        "A round of a loop opens the step that it reworks again, and every step between the two. So the agent with the "
        "loop must depend on the one that it reworks, on its own or through others.",
        "agents:\n  build: {command: make}\n  test: {command: make test, outputs: {ok: boolean}, "
        "loop: {until: outputs.ok, max: 3, rework: build}}\n",
        "agents:\n  build: {command: make}\n  test: {command: make test, depends_on: [build], outputs: {ok: boolean}, "
        "loop: {until: outputs.ok, max: 3, rework: build}}\n",
        "plan",
    ),
    Code(
        "matrix-too-large",
        "a matrix has too many instances",
        "The product of the lists of a matrix is more than is planned for one agent.",
        "",
        "",
        "plan",
    ),
    Code(
        "plan-too-large",
        "a plan has too many steps, or too many dependencies between steps",
        "Every instance of an agent waits for every instance of the agents it depends on, so two large matrices "
        "multiply. An agent without a matrix between the two makes it a sum.",
        "",
        "",
        "plan",
    ),
    Code(
        "same-slug",
        "two steps would have one directory",
        "The id of a step with -- for / names its directory and branch, so a/b and a--b cannot stand in one team.",
        "agents:\n  a: {command: make a, matrix: [b]}\n  a--b: {command: make b}\n",
        "agents:\n  a: {command: make a, matrix: [b]}\n  a-b: {command: make b}\n",
        "plan",
    ),
    Code(
        "late-resolver",
        "on_conflict for steps that only a run knows",
        "The instances of a matrix over results are added while the run goes on, and merges for them cannot be given "
        "to another agent yet: a conflict fails the instance. Put an agent without a matrix before them, with "
        "on_conflict, and let the instances depend on that one alone.",
        "agents:\n  a: {prompt: Do a., outputs: {tasks: {type: array}}}\n  b: {prompt: Do b.}\n"
        "  each: {prompt: Do it., matrix: agents.a.outputs.tasks, depends_on: [a, b], on_conflict: fixer}\n"
        "  fixer: {start: never, prompt: Mend it.}\n",
        "agents:\n  a: {prompt: Do a., outputs: {tasks: {type: array}}}\n  b: {prompt: Do b.}\n"
        "  each: {prompt: Do it., matrix: agents.a.outputs.tasks, depends_on: [a, b]}\n",
        "plan",
    ),
    Code(
        "no-repository",
        "a worktree outside a git repository",
        "A worktree is made of a commit of the project. Make the project a repository (git init, and a first commit), "
        "or let the agent work in the project directory, which takes workspace: {mode: shared}.",
        "agents:\n  fix: {prompt: Fix it., workspace: {mode: worktree}}\n",
        "agents:\n  fix: {prompt: Fix it., workspace: {mode: shared}}\n",
        "plan",
    ),
    Code(
        "shared-directory",
        "two agents may edit one directory at once",
        "Nothing keeps the two apart, and neither says what it writes: each may overwrite what the other is at, and "
        "what one of them has changed nobody can tell. In git each has its own worktree unless it is told otherwise.",
        "agents:\n  a: {prompt: Do a., workspace: {mode: shared}}\n  b: {prompt: Do b., workspace: {mode: shared}}\n",
        "agents:\n  a: {prompt: Do a., workspace: {mode: shared}}\n"
        "  b: {prompt: Do b., workspace: {mode: shared}, depends_on: [a]}\n",
        "plan",
    ),
    Code(
        "no-commit",
        "a worktree in a git repository without a commit",
        "A worktree is made of a commit of the project, and there is none yet. Commit what the steps are to start "
        "from, or let the agents work in the project directory, which takes workspace: {mode: shared}.",
        "",
        "",
        "plan",
    ),
    Code(
        "diff-not-judged",
        "a diff policy outside a git repository",
        "What a step has changed is known only where it has a worktree, and that takes a git repository. Outside one "
        "the step runs, and its changes are not judged.",
        "agents:\n  fix: {prompt: Fix it., diff: {max_lines: 600}}\n",
        "agents:\n  fix: {prompt: Fix it.}\n",
        "plan",
    ),
    Code(
        "overlapping-writes",
        "two steps that may run at once may write the same file",
        "Neither step waits for the other, and what they declare under writes meets in the file that is named, so what "
        "becomes of it would depend on which is faster. Put depends_on between them, or let them write files of their "
        "own; instances of a matrix have what tells them apart in their writes. It counts what is declared: not "
        "whether an if leaves one out, nor where the steps work.",
        "agents:\n  api: {command: make api, writes: [src/**]}\n  docs: {command: make docs, writes: [src/**/*.md]}\n",
        "agents:\n  api: {command: make api, writes: [src/**]}\n"
        "  docs: {command: make docs, writes: [src/**/*.md], depends_on: [api]}\n",
        "plan",
    ),
    Code(
        "result-missing",
        "a selected step needs results that are not there",
        "A step that is run alone takes the results of what it depends on from the run that goes on. The one that "
        "it names has not succeeded there.",
        "teamflow run --from ship",
        "teamflow run ship",
        "command line",
    ),
    Code(
        "duplicate-instance",
        "two instances would have one id",
        "Entries of a matrix become parts of step ids, without regard to case; equal entries would be one "
        "step. Objects "
        "are told apart by a key id.",
        "agents:\n  test: {command: pytest -q, matrix: {python: [py311, py311]}}\n",
        "agents:\n  test: {command: pytest -q, matrix: {python: [py311, py312]}}\n",
        "plan",
    ),
    Code(
        "empty-matrix",
        "a matrix has no entries",
        "With these inputs the agent has no instances, so nothing of it runs; it counts as succeeded.",
        "",
        "",
        "plan",
    ),
    Code(
        "template-failed",
        "a template has no value with these inputs",
        "The template can be read, but with the inputs of this run it fails: a key is missing, or values do not fit.",
        "",
        "",
        "plan",
    ),
    Code(
        "unknown-step",
        "there is no such step",
        "Steps are selected by id (build/api) or by agent (build). Steps of a matrix over results are known "
        "only in a run.",
        "teamflow run nosuchstep",
        "teamflow run build",
        "command line",
    ),
    Code(
        "nothing-selected",
        "the selection leaves no step",
        "What STEP, --from and --until leave together is empty.",
        "teamflow run --from z --until a",
        "teamflow run --from a --until z",
        "command line",
    ),
    Code(
        "bad-override",
        "--set cannot be applied",
        "--set takes agents.NAME.KEY=VALUE, with a key that can be overridden for a run.",
        "teamflow run --set model=opus",
        "teamflow run --set agents.build.model=opus",
        "command line",
    ),
    Code(
        "unknown-input",
        "there is no such input",
        "-i names an input that the team does not declare.",
        "teamflow run -i isue=12",
        "teamflow run -i issue=12",
        "command line",
    ),
    Code(
        "missing-input",
        "an input has no value",
        "An input without a default must be given with -i name=value; -i name=@file takes a file's content.",
        "teamflow run",
        "teamflow run -i issue=12",
        "command line",
    ),
    Code(
        "bad-input",
        "an input's value does not fit",
        "Values are JSON, except that an input declared as a string takes the text as it is. They must be "
        "valid under the "
        "declaration.",
        "teamflow run -i count=many",
        "teamflow run -i count=3",
        "command line",
    ),
    Code(
        "secret-not-set",
        "a secret that a step asks for has no value",
        "The variable is not set, or the file is missing or empty. Nothing starts without the secrets that "
        "it asks for.",
        "teamflow run",
        "TOKEN=… teamflow run",
        "command line",
    ),
    Code(
        "short-secret",
        "a secret is too short to be redacted",
        "Values are redacted from 8 characters up; a shorter one would hide text that has nothing to do with it.",
        "",
        "",
        "command line",
    ),
    Code(
        "waits",
        "a key that a later version will act on",
        "The key is read and checked, and plan shows it, but this version cannot do what it asks for. run "
        "refuses rather "
        "than ignoring it. docs/team-file.md says for every key whether it works.",
        "",
        "",
        "command line",
    ),
)
