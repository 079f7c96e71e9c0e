"""Codes of files that cannot be read: YAML, encoding, size, and files that are named."""

from __future__ import annotations

from typing import Final

from teamflow.core.code import Code

_AGENT = "agents:\n  test: {command: pytest -q}\n"

YAML: Final = (
    Code(
        "yaml-syntax",
        "the file is not YAML",
        "The parser could not go on at this place. Often a quote or bracket is never closed, a line is indented "
        'differently from its neighbours, or a text that holds ": " or begins with a special character lacks quotes. '
        "Only the first such place is reported, as nothing after it can be understood.",
        "agents:\n  test: {command: echo a: b}\n",
        'agents:\n  test: {command: "echo a: b"}\n',
    ),
    Code(
        "yaml-tab",
        "a tab stands where YAML wants spaces",
        "YAML does not allow tabs in the indentation or between a dash and its value. Set your editor to "
        "insert spaces.",
        "agents:\n\ttest: {command: pytest -q}\n",
        _AGENT,
    ),
    Code(
        "yaml-documents",
        "the file holds several documents",
        "A line --- starts another document, and a team file is one document. Split the file and use include.",
        "agents:\n  test: {command: pytest -q}\n---\nagents: {}\n",
        _AGENT,
    ),
    Code(
        "yaml-alias",
        "an alias or anchor cannot be used like this",
        "An alias (*name) must follow its anchor (&name), an anchor's name may be used once, a collection "
        "cannot contain "
        "itself, and all aliases together may expand to at most 100 000 values. A glob that begins with * "
        "needs quotes.",
        "agents:\n  test: {command: pytest -q, reads: [*.py]}\n",
        'agents:\n  test: {command: pytest -q, reads: ["*.py"]}\n',
    ),
    Code(
        "yaml-merge",
        "only maps can be merged",
        "<< takes an alias of a map, or a list of such aliases. Keys that are written out win over merged ones.",
        "x-base: &base [a]\nagents:\n  test: {<<: *base, command: pytest -q}\n",
        "x-base: &base {timeout: 5m}\nagents:\n  test: {<<: *base, command: pytest -q}\n",
    ),
    Code(
        "yaml-tag",
        "tags are not read",
        "A team file is plain YAML: maps, lists, texts, numbers, true, false. Tags such as !!str or !include have no "
        "meaning in it. Quote a value to make it a text.",
        "version: !!int 1\nagents:\n  test: {command: pytest -q}\n",
        "version: 1\nagents:\n  test: {command: pytest -q}\n",
    ),
    Code(
        "yaml-key",
        "a key is not a text",
        "Keys are texts. A bare number, true or null is none: quote it. When the place looks like {{ name "
        "}}, a template "
        "lacks its quotes, and YAML read the braces as a map.",
        "agents:\n  test: {command: pytest -q, env: {FEATURE: {{ inputs.x }}}}\n",
        'inputs: {x: string}\nagents:\n  test: {command: pytest -q, env: {FEATURE: "{{ inputs.x }}"}}\n',
    ),
    Code(
        "yaml-number",
        "a number that cannot be used",
        "Whole numbers must fit into 64 bits, and infinity and not-a-number are no values. Quote it if it is a text.",
        "agents:\n  test: {command: pytest -q, env: {ID: 123456789012345678901234567890}}\n",
        'agents:\n  test: {command: pytest -q, env: {ID: "123456789012345678901234567890"}}\n',
    ),
    Code(
        "yaml-depth",
        "the file is nested too deep",
        "At most 64 levels of maps and lists are read.",
        "x-deep: " + "[" * 70 + "]" * 70 + "\nagents:\n  test: {command: pytest -q}\n",
        _AGENT,
    ),
    Code(
        "yaml-character",
        "a character that has no place in a text file",
        "Control characters, byte order marks inside the file, and the line and paragraph separators U+2028 "
        "and U+2029 are "
        "refused, because they change what is shown without being seen. A NUL cannot be in any value.",
        'agents:\n  test: {command: "echo \\0"}\n',
        "agents:\n  test: {command: echo}\n",
    ),
    Code(
        "yaml-encoding",
        "the file is not UTF-8",
        "Team files, personas and prompts are UTF-8, with or without a byte order mark. Save the file as UTF-8.",
        "",
        "",
        "a file in another encoding",
    ),
    Code(
        "duplicate-key",
        "a key stands twice in one map",
        "YAML readers silently keep one of two equal keys; here it is an error, as one of them is not what you meant.",
        "agents:\n  test: {command: pytest -q}\n  test: {command: ruff check}\n",
        "agents:\n  test: {command: pytest -q}\n  lint: {command: ruff check}\n",
    ),
    Code(
        "file-too-large",
        "the file is larger than 1 MiB",
        "Split it with include, or move long prompts into files of their own (prompt: {file: …}).",
        "",
        "",
        "a file of more than 1 MiB",
    ),
    Code(
        "file-unreadable",
        "a file that is named cannot be read",
        "The file is missing, is a directory, may not be read, or is named by a URL, and those are not read. Files "
        "that define a team are named relative to the file that names them.",
        "include: [no-such-file.yaml]\nagents:\n  test: {command: pytest -q}\n",
        _AGENT,
    ),
    Code(
        "path-outside",
        "a path leaves its root",
        "Files that define a team must lie in its project; files that a step works on (reads, writes, outputs, copy, "
        "workdir) in its workspace. Absolute paths and ways out by .. are refused. Only includes and the files of "
        "personas may lie elsewhere: by an absolute path or one with ~/, and `run` asks first (--trust).",
        "agents:\n  test: {command: pytest -q, reads: [../other/*.py]}\n",
        'agents:\n  test: {command: pytest -q, reads: ["src/*.py"]}\n',
    ),
    Code(
        "include-cycle",
        "files include each other",
        "Following include leads back to a file on the way. The places of all includes on the circle are listed.",
        "include: [include-cycle.yaml]\nagents:\n  test: {command: pytest -q}\n",
        _AGENT,
    ),
    Code(
        "include-depth",
        "too many includes",
        "At most 16 levels and 200 includes are followed.",
        "",
        "",
        "a chain of more than 16 files",
    ),
    Code(
        "bad-front-matter",
        "the front matter of a persona file cannot be used",
        "A persona file may begin with a line ---, keys as YAML, and a second line ---; the rest is the instructions.",
        "---\nengine: claude\nYou are an architect.\n",
        "---\nengine: claude\n---\nYou are an architect.\n",
        "persona file",
    ),
    Code(
        "foreign-key",
        "a key of another tool's agent file has no counterpart",
        "Agent files of Claude Code load as they are; keys that teamflow has nothing for are left out, with "
        "this warning.",
        "---\nname: helper\nskills: [pdf]\n---\nYou help.\n",
        "---\nname: helper\n---\nYou help.\n",
        "persona file",
    ),
    Code(
        "bad-mcp-file",
        "the MCP servers beside a persona file cannot be read",
        "NAME.mcp.json beside a persona's NAME.md has its MCP servers, in the shape of .mcp.json: a map mcpServers "
        "with command or url for each.",
        '{"mcpServers": {"docs": {"args": ["--stdio"]}}}\n',
        '{"mcpServers": {"docs": {"command": "docs-mcp", "args": ["--stdio"]}}}\n',
        "MCP file",
    ),
    Code(
        "bad-env-file",
        "a line of an env file is no NAME=value",
        "Each line is NAME=value, optionally with export in front, or a comment. Values with blanks around "
        "or # in them "
        "stand in quotes.",
        "TOKEN abc\n",
        "TOKEN=abc\n",
        "env file",
    ),
)
