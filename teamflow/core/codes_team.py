"""Codes of team files that can be read and say something wrong."""

from __future__ import annotations

from typing import Final

from teamflow.core.code import Code

_TEST = "  test: {command: pytest -q}\n"
_RIGHT = "agents:\n" + _TEST

TEAM: Final = (
    Code(
        "unknown-key",
        "there is no such key",
        "A key that nothing reads would be ignored in silence, so it is an error. Keys that begin with x- are free.",
        "agents:\n  test: {comand: pytest -q}\n",
        _RIGHT,
    ),
    Code(
        "missing-key",
        "a key that must be there is missing",
        "The map at this place cannot do without the key.",
        "name: my-team\n",
        "name: my-team\n" + _RIGHT,
    ),
    Code(
        "no-value",
        "a key has no value",
        "A key with nothing behind it is null, which means nothing here: give it a value or leave it out.",
        "agents:\n  test:\n    command: pytest -q\n    reads:\n",
        "agents:\n  test:\n    command: pytest -q\n    reads: [src]\n",
    ),
    Code(
        "wrong-type",
        "a value of another kind is wanted",
        "The message names what may stand here. Numbers, true and false become texts in quotes.",
        "agents:\n  test: {command: pytest -q, cache: often}\n",
        "agents:\n  test: {command: pytest -q, cache: true, reads: [src]}\n",
    ),
    Code(
        "wrong-value",
        "a value that cannot stand here",
        "The kind is right, but not the value; the message lists what may stand here.",
        "agents:\n  test: {command: pytest -q, depends_on: {lint: success}}\n  lint: {command: ruff check}\n",
        "agents:\n  test: {command: pytest -q, depends_on: {lint: succeeded}}\n  lint: {command: ruff check}\n",
    ),
    Code(
        "matches-nothing",
        "an entry of permissions that nothing can match",
        "`run` lists the first words of commands, and what follows them is free, so a pattern, a variable or several "
        "commands in one entry allow nothing. `edit` lists patterns of files below the workspace; what begins with ! "
        "takes away from those before it.",
        'agents:\n  fix: {prompt: Fix it., engine: claude, permissions: {run: ["pytest *"]}}\n',
        "agents:\n  fix: {prompt: Fix it., engine: claude, permissions: {run: [pytest]}}\n",
    ),
    Code(
        "duplicate-entry",
        "a list names the same thing twice",
        "Each dependency is listed once.",
        "agents:\n  lint: {command: ruff check}\n  test: {command: pytest -q, depends_on: [lint, lint]}\n",
        "agents:\n  lint: {command: ruff check}\n  test: {command: pytest -q, depends_on: [lint]}\n",
    ),
    Code(
        "bad-duration",
        "this is no duration",
        "A duration is a number with a unit: 500ms, 90s, 10m, 2h, 2d, or several in a row, like 1h30m.",
        "agents:\n  test: {command: pytest -q, timeout: 30}\n",
        "agents:\n  test: {command: pytest -q, timeout: 30s}\n",
    ),
    Code(
        "bad-size",
        "this is no size",
        "A size is a number with a unit: 512B, 64KiB, 5GB. Units with an i are powers of 1024.",
        "limits: {log_size: 5 gigabytes}\n" + _RIGHT,
        "limits: {log_size: 5GB}\n" + _RIGHT,
    ),
    Code(
        "bad-count",
        "this is no count",
        "A count is a whole number, or one that ends in k or M: 500, 200k, 4M.",
        "limits: {budget: {tokens: 4G}}\n" + _RIGHT,
        "limits: {budget: {tokens: 4M}}\n" + _RIGHT,
    ),
    Code(
        "bad-name",
        "this cannot be a name",
        "Names of agents, personas, targets, policies, engines, inputs, outputs and matrix keys have small letters, "
        "digits, _ and -, and begin with a letter or _. Variables have letters, digits and _.",
        "agents:\n  Run Tests: {command: pytest -q}\n",
        "agents:\n  run-tests: {command: pytest -q}\n",
    ),
    Code(
        "too-many",
        "more complaints than anybody reads",
        "After 1000 complaints about unknown keys and wrong types the rest is only counted. Mend the first ones.",
        "",
        "",
    ),
    Code(
        "shared-workspace",
        "a key for a workspace of its own, and the agent gets none",
        "diff, workspace.copy and workspace.sparse concern a worktree that is made for the step. A prompt that may "
        "edit gets one, and so does whoever writes workspace: {mode: worktree}. With mode: shared there is none, nor "
        "for commands and prompts with permissions: read that do not ask for it.",
        "agents:\n  fix: {prompt: Fix it., diff: {max_lines: 600}, workspace: {mode: shared}}\n",
        "agents:\n  fix: {prompt: Fix it., diff: {max_lines: 600}}\n",
    ),
    Code("no-agents", "the team has no agents", "A team needs at least one agent.", "agents: {}\n", _RIGHT),
    Code(
        "no-kind",
        "an agent does not say what to do",
        "Each agent has exactly one of prompt (an agent CLI), command (a process) and ask (a person), of its "
        "own or by its "
        "persona or the defaults.",
        "agents:\n  test: {timeout: 5m}\n",
        "agents:\n  test: {timeout: 5m, command: pytest -q}\n",
    ),
    Code(
        "two-kinds",
        "an agent says twice what to do",
        "Each agent has exactly one of prompt, command and ask. Make two agents of it.",
        "agents:\n  test: {command: pytest -q, prompt: Fix the tests.}\n",
        "agents:\n  fix: {prompt: Fix the tests.}\n  test: {depends_on: [fix], command: pytest -q}\n",
    ),
    Code(
        "key-without-meaning",
        "a key means nothing here",
        "The key exists, but not together with what else the agent says: an engine for a command, answers "
        "for a prompt. "
        "It would be ignored, so it is an error.",
        "agents:\n  test: {command: pytest -q, engine: claude}\n",
        _RIGHT,
    ),
    Code(
        "no-script",
        "engine: scripted has nothing to play",
        "The scripted engine plays a YAML script instead of starting an agent; name the file with script.",
        "agents:\n  demo: {engine: scripted, prompt: Do it.}\n",
        "agents:\n  demo: {engine: scripted, script: demo.yaml, prompt: Do it.}\n",
    ),
    Code(
        "bad-script",
        "a script that cannot be played",
        "The scripted engine plays a list of actions, each a word or one key with its argument; docs/engines.md lists "
        "them. The message says which entry is wrong, counted from 0.",
        "- sleep: 5\n",
        "- sleep: 5s\n- say: Done.\n",
        about="script",
    ),
    Code(
        "bad-answer",
        "answers that do not fit the question",
        "A question has at least two different options, each one line of plain text. default is the option that is "
        "the answer when the timeout has passed, so it needs one. An approval has neither options nor a default.",
        "agents:\n  which: {ask: Which one?, options: [a, b], default: c, timeout: 1h}\n",
        "agents:\n  which: {ask: Which one?, options: [a, b], default: b, timeout: 1h}\n",
    ),
    Code(
        "unknown-agent",
        "there is no such agent",
        "The name of an agent (or persona, where one may stand) that is not declared.",
        "agents:\n  build: {command: make}\n  test: {command: pytest -q, depends_on: [biuld]}\n",
        "agents:\n  build: {command: make}\n  test: {command: pytest -q, depends_on: [build]}\n",
    ),
    Code(
        "self-dependency",
        "an agent waits for itself",
        "An agent cannot depend on itself, pair with itself or rework itself.",
        "agents:\n  test: {command: pytest -q, depends_on: [test]}\n",
        _RIGHT,
    ),
    Code(
        "no-step",
        "a dependency never runs as a step",
        "An agent with start: never is only ever started by another agent, so nothing can wait for it.",
        "agents:\n  helper: {start: never, prompt: Help.}\n  test: {command: pytest -q, depends_on: [helper]}\n",
        "agents:\n  helper: {start: never, prompt: Help.}\n  test: {command: pytest -q}\n",
    ),
    Code(
        "bad-resolver",
        "an agent that cannot mend a merge",
        "on_conflict names an agent with a prompt and start: never, which may edit in a worktree. Each step that it "
        "mends merges for gets one step of it right before itself, so it has no matrix, loop, depends_on or if of its "
        "own, and names no results of other agents.",
        "agents:\n  a: {prompt: Do a.}\n  b: {prompt: Do b.}\n"
        "  ship: {command: make ship, depends_on: [a, b], on_conflict: fixer}\n  fixer: {prompt: Mend it.}\n",
        "agents:\n  a: {prompt: Do a.}\n  b: {prompt: Do b.}\n"
        "  ship: {command: make ship, depends_on: [a, b], on_conflict: fixer}\n"
        "  fixer: {start: never, prompt: Mend it.}\n",
    ),
    Code(
        "unknown-persona",
        "there is no such persona",
        "Personas are declared under personas, or come from an included file.",
        "agents:\n  fix: {persona: engineer, prompt: Fix it.}\n",
        "personas:\n  engineer: {instructions: You are careful.}\nagents:\n  fix: {persona: engineer, "
        "prompt: Fix it.}\n",
    ),
    Code(
        "unknown-engine",
        "there is no such engine",
        "An engine is built in (claude, claude-agent-acp, codex, codex-exec, copilot, gemini, opencode, scripted), "
        "declared under engines, or brought by another package. engine/model names a model as well. A variant under "
        "engines is one of a built-in engine that asks a model.",
        "agents:\n  fix: {engine: cluade, prompt: Fix it.}\n",
        "agents:\n  fix: {engine: claude, prompt: Fix it.}\n",
    ),
    Code(
        "built-in-engine",
        "a built-in engine is defined again",
        "The names acp, claude, claude-agent-acp, codex, codex-exec, copilot, gemini, opencode, scripted, command, ask "
        "and person are taken. An engine of your own, also another way to start one of these programs, has a name of "
        "its own.",
        "engines: {claude: {command: [claude, -p]}}\n" + _RIGHT,
        "engines: {my-claude: {command: [claude, -p]}}\n" + _RIGHT,
    ),
    Code(
        "engine-words",
        "words of an engine that cannot be filled in",
        "prompt holds {{ prompt }} or {{ prompt_file }}, long_prompt {{ prompt_file }}, resume {{ session }}, model "
        "{{ model }}, and a value of env may hold {{ model }}. Other templates do not stand there, nor any in command: "
        "what steps differ in reaches the engine by the prompt and by env.",
        "engines: {mine: {command: [mine], prompt: [--prompt]}}\n" + _RIGHT,
        'engines: {mine: {command: [mine], prompt: [--prompt, "{{ prompt }}"]}}\n' + _RIGHT,
    ),
    Code(
        "bad-json-path",
        "this is no path into JSON",
        "A path has keys with dots between them, [0] or [-1] for an item of a list, [key=value] for the last item with "
        'that value, and ["any key"]. In json-lines it is looked up in each line.',
        "engines: {mine: {command: [mine], output: json, message: result text}}\n" + _RIGHT,
        "engines: {mine: {command: [mine], output: json, message: result.text}}\n" + _RIGHT,
    ),
    Code(
        "bad-pattern",
        "this is no regular expression",
        "What stands under failures of an engine is looked for in what it prints when it fails. Characters like ( [ + "
        "mean something in a regular expression; a backslash before them takes that away.",
        "engines: {mine: {command: [mine], failures: {auth: 'log in ('}}}\n" + _RIGHT,
        "engines: {mine: {command: [mine], failures: {auth: 'log in \\('}}}\n" + _RIGHT,
    ),
    Code(
        "engine-model",
        "an engine takes no model",
        "An engine of your own is told the model by words under model, or by a value of env that holds {{ model }}. "
        "Without either, a model that somebody names would be ignored. A variant with a model of its own asks for "
        "that, unless another is named behind its name: engine: local/large.",
        "engines: {mine: {command: [mine]}}\nagents:\n  fix: {engine: mine/large, prompt: Fix it.}\n",
        'engines: {mine: {command: [mine], model: [-m, "{{ model }}"]}}\n'
        "agents:\n  fix: {engine: mine/large, prompt: Fix it.}\n",
    ),
    Code(
        "unknown-target",
        "there is no such target",
        "Targets are declared under targets; local is always there. target: {labels: […]} takes any that has them all.",
        "agents:\n  test: {command: pytest -q, target: gpu}\n",
        _RIGHT,
    ),
    Code(
        "bad-target",
        "a target that says too little or too much",
        "A target needs ssh; local is this machine and has none.",
        "targets: {gpu: {labels: [gpu]}}\n" + _RIGHT,
        "targets: {gpu: {ssh: gpu-box, labels: [gpu]}}\n" + _RIGHT,
    ),
    Code(
        "unknown-policy",
        "there is no such pull-request policy",
        "pr: NAME and extends: NAME need a policy of that name under pr_policies; pr: true needs the one "
        "called default.",
        "agents:\n  ship: {command: make, pr: true}\n",
        "pr_policies: {default: {base: main}}\nagents:\n  ship: {command: make, pr: true}\n",
    ),
    Code(
        "policy-cycle",
        "policies extend each other",
        "Following extends leads back to where it began.",
        "pr_policies: {a: {extends: b}, b: {extends: a}}\n" + _RIGHT,
        "pr_policies: {a: {base: main}, b: {extends: a}}\n" + _RIGHT,
    ),
    Code(
        "unknown-secret",
        "there is no such secret",
        "A step may ask only for secrets that the team declares.",
        "agents:\n  ship: {command: make, secrets: [TOKEN]}\n",
        "secrets: {TOKEN: {env: TOKEN}}\nagents:\n  ship: {command: make, secrets: [TOKEN]}\n",
    ),
    Code(
        "bad-secret",
        "a secret does not say where it is",
        "A secret has either env, a variable of your environment, or file, a path.",
        "secrets: {TOKEN: {}}\n" + _RIGHT,
        "secrets: {TOKEN: {env: TOKEN}}\n" + _RIGHT,
    ),
    Code(
        "bad-mcp-server",
        "an MCP server does not say how to reach it",
        "A server has either command, a program, or url, an address.",
        "agents:\n  fix: {prompt: Fix it., mcp_servers: {docs: {args: [--stdio]}}}\n",
        "agents:\n  fix: {prompt: Fix it., mcp_servers: {docs: {command: docs-mcp, args: [--stdio]}}}\n",
    ),
    Code(
        "bad-base-url",
        "this cannot be the server that answers as a model",
        "base_url is the root of a server that answers as Ollama, LM Studio or vLLM do: http or https, no credentials, "
        "nothing behind the path. It is no template, as the names of engines and models are none. Everybody who reads "
        "the plan sees it; a key goes by secrets or env.",
        "agents:\n  fix: {engine: claude/qwen3-coder, prompt: Fix it., base_url: 127.0.0.1:11434}\n",
        'agents:\n  fix: {engine: claude/qwen3-coder, prompt: Fix it., base_url: "http://127.0.0.1:11434"}\n',
    ),
    Code(
        "bad-matrix",
        "this cannot be a matrix",
        "A matrix is a map from keys to lists or expressions, a list, an expression that gives a list, or the name of "
        "another agent with a matrix.",
        "agents:\n  build: {command: make}\n  test: {command: pytest -q, matrix: build}\n",
        "agents:\n  test: {command: pytest -q, matrix: {python: [py311, py312]}}\n",
    ),
    Code(
        "bad-template",
        "a template or expression cannot be read",
        "Templates are Jinja2 without macros, calls and imports. if, until, matrix and team outputs take a "
        "bare expression, "
        "without braces; other texts take {{ expression }}.",
        'inputs: {x: string}\nagents:\n  fix: {prompt: "Fix {{ inputs.x"}\n',
        'inputs: {x: string}\nagents:\n  fix: {prompt: "Fix {{ inputs.x }}"}\n',
    ),
    Code(
        "unknown-name",
        "a name that is not known at this place",
        "Before a step runs there are inputs, matrix, agents, run, step, env and secrets; in until also "
        "outputs and text.",
        'agents:\n  fix: {prompt: "Fix {{ issue }}"}\n',
        'inputs: {issue: string}\nagents:\n  fix: {prompt: "Fix {{ inputs.issue }}"}\n',
    ),
    Code(
        "unknown-reference",
        "a template names something that is not there",
        "Inputs, matrix keys, agents and their outputs must be declared. An agent with instances has "
        "instances instead of "
        "one text. A name with a dash is written agents['my-agent'].",
        'agents:\n  plan: {prompt: Plan.}\n  fix: {prompt: "Do {{ agents.plan.outputs.tasks }}"}\n',
        "agents:\n  plan: {prompt: Plan., outputs: {tasks: array}}\n"
        '  fix: {prompt: "Do {{ agents.plan.outputs.tasks }}"}\n',
    ),
    Code(
        "expression-type",
        "an expression has the wrong type",
        "if and until must be true or false; a matrix expression must be a list.",
        "inputs: {feature: string}\nagents:\n  test: {command: pytest -q, if: inputs.feature}\n",
        "inputs: {feature: string}\nagents:\n  test: {command: pytest -q, if: inputs.feature != 'docs'}\n",
    ),
    Code(
        "template-in-shell",
        "a template in a text that a shell runs",
        "A value put into a shell command is read as code, so that a quote in it can run anything. Pass the "
        "value by env "
        'and write "$NAME" in the command, or make the command a list, whose words no shell reads. '
        "[sh, -c, …] has a shell as well.",
        'inputs: {x: string}\nagents:\n  test: {command: "pytest -k {{ inputs.x }}"}\n',
        'inputs: {x: string}\nagents:\n  test: {command: \'pytest -k "$WORD"\', env: {WORD: "{{ inputs.x }}"}}\n',
    ),
    Code(
        "bad-schema",
        "this is no JSON Schema",
        "Inputs and outputs are declared by a bare type or by JSON Schema (draft 2020-12). A $ref stays "
        "inside its schema.",
        "inputs: {x: {type: strnig}}\n" + _RIGHT,
        "inputs: {x: {type: string}}\n" + _RIGHT,
    ),
    Code(
        "bad-default",
        "a default does not fit its declaration",
        "The default of an input must be valid under its own schema.",
        "inputs: {n: {type: integer, default: many}}\n" + _RIGHT,
        "inputs: {n: {type: integer, default: 3}}\n" + _RIGHT,
    ),
)
