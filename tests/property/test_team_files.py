"""Any bytes as a team file: diagnostics or a team, in time and in bounds; places point at what they claim."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from teamflow.core.diagnostics import Diagnostics
from teamflow.team.load import load
from teamflow.team.loaded import Loaded
from teamflow.team.salvage import read_all
from teamflow.team.schema import team_schema
from teamflow.team.source import Path as TreePath
from teamflow.team.source import parse, split_lines
from teamflow.team.structure import without_notes
from teamflow.views.diagnostics import to_json, to_text
from tests.fakes.yardstick import million

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "tests" / "unit" / "team" / "examples" / "larger.yaml").read_bytes()
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=8_000, deadline=None, suppress_health_check=list(HealthCheck))


class Anything:
    """Every path is the same file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, path: str) -> bytes:
        return self._data


def check(data: bytes) -> Loaded:
    started = time.process_time()
    loaded = load("team.yaml", sources=Anything(data))
    if loaded.team is not None:
        assert set(loaded.team.resolved) <= set(loaded.team.team.agents)
        assert loaded.team.limits is not None
    spent = time.process_time() - started
    assert spent < 0.5 or spent / million() < 200
    assert (loaded.team is None) == loaded.diagnostics.has_errors
    text = to_text(loaded.diagnostics, loaded.sources)
    assert all(char.isprintable() or char == "\n" or char.isspace() for char in text) or "\x1b" not in text
    to_json(loaded.diagnostics)
    for item in loaded.diagnostics:
        assert item.span is not None
        lines = split_lines(loaded.sources[item.span.file])
        assert 1 <= item.span.line <= len(lines)
        assert 1 <= item.span.column <= len(lines[item.span.line - 1]) + 2
    return loaded


PIECES = (
    "agents: command: prompt: matrix: depends_on: inputs: env: outputs: if: retry: include: personas: - [ ] { } , : "
    "& * &a *a << | > ' \" # ! !!str ? --- ... %YAML {{ }} {% %} inputs.x agents.a.text a b x- true null 0x .inf 1e9 "
    "~ \\ \t"
)
WORDS = st.sampled_from([*PIECES.split(" "), "\n", "\n  ", "\n    ", " ", "\u2028", "\x00", "é", "日"])
YAMLISH = st.lists(WORDS, max_size=60).map(lambda words: " ".join(words).encode())


@QUICK
@given(st.binary(max_size=300) | YAMLISH)
@example(b"agents: {a: {command: [sh, -c, '{{ x }}']}}")
@example(b"agents: {a: {persona: p, prompt: x}}\npersonas: {p: {file: p.md}}")
@example(b"include: team.yaml")
@example(b"---")
@example(b"---\na: !x")
def test_any_bytes(data: bytes) -> None:
    check(data)


@QUICK
@given(st.data())
def test_a_right_file_with_a_change(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(EXAMPLE)))
    end = data.draw(st.integers(start, min(len(EXAMPLE), start + 30)))
    check(EXAMPLE[:start] + data.draw(st.binary(max_size=6) | WORDS.map(str.encode)) + EXAMPLE[end:])


@pytest.mark.slow
@LONG
@given(st.binary(max_size=2_000) | YAMLISH)
def test_any_bytes_at_length(data: bytes) -> None:
    check(data)


@pytest.mark.slow
@settings(LONG, max_examples=3_000)
@given(st.data())
def test_a_right_file_with_many_changes(data: st.DataObject) -> None:
    text = bytearray(EXAMPLE)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=4) | WORDS.map(str.encode))
    check(bytes(text))


SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8) | st.sampled_from(
    ["5m", "1GB", "4M", "a", "b", "read", "exponential", "never", "shared", "string"]
)  # fmt: skip
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner)
)


SCHEMA = team_schema()
VALID = yaml.safe_load(EXAMPLE)


def properties(name: str) -> list[str]:
    return sorted((SCHEMA if name == "Team" else SCHEMA["$defs"][name])["properties"])


@st.composite
def teams(draw: st.DrawFn) -> dict[str, object]:
    """Trees that look like teams: known keys with values that fit more often than not."""
    keys = st.sampled_from([*properties("Agent"), "x-note", "nope"])
    valid = VALID
    agents = [*valid["agents"].values(), *valid["personas"].values(), valid["defaults"]]
    good = [value for agent in agents for value in agent.values()]
    agent = st.dictionaries(keys, st.sampled_from(good) | TREES, max_size=3)
    from_example = st.sampled_from(list(valid["agents"].values())).flatmap(
        lambda base: st.dictionaries(keys, st.sampled_from(good) | TREES, max_size=1).map(lambda more: {**base, **more})
    )
    tree: dict[str, object] = {
        "agents": draw(st.dictionaries(st.sampled_from("abc"), agent | from_example | TREES, max_size=3))
    }
    top = st.sampled_from([*properties("Team"), "x-note", "nope"])
    for key in draw(st.lists(top, max_size=3)):
        tree[key] = draw(st.sampled_from([valid.get(key, "x")]) | TREES)
    return tree


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(teams())
def test_schema_and_model_take_the_same_documents(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    found = Diagnostics()
    source = parse(text.encode("utf-8", "surrogatepass"), file="t", found=found)
    assume(source is not None and not found.has_errors)
    assert source is not None
    complaints: list[tuple[str, TreePath]] = []

    def complain(code: str, message: str, path: TreePath, *, hint: str | None = None, key: bool = False) -> None:
        complaints.append((code, path))

    assert isinstance(source.value, dict)
    cleaned = without_notes(source.value, complain)
    read_all(cleaned, complain)
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text))
    assert valid == (not complaints), complaints


TEXTS = st.text("abc \n'\"#:-é日", max_size=6)
KEYS = st.text("abcé日", min_size=1, max_size=4)
MAPS = st.recursive(TEXTS, lambda inner: st.dictionaries(KEYS, inner, max_size=4))


@QUICK
@given(MAPS, st.booleans())
def test_spans_point_at_the_text_they_claim(tree: object, flow: bool) -> None:
    assume(isinstance(tree, dict))
    assert isinstance(tree, dict)
    text = yaml.safe_dump(tree, allow_unicode=True, default_flow_style=flow, width=1000)
    found = Diagnostics()
    source = parse(text.encode(), file="t", found=found)
    assert source is not None
    lines = split_lines(text)

    def visit(value: object, path: TreePath) -> None:
        if not isinstance(value, dict):
            return
        for key, inner in value.items():
            span = source.key_span((*path, key))
            shown = lines[span.line - 1][span.column - 1 : span.end_column - 1]
            assert yaml.safe_load(shown) == key if shown not in ("y", "n") else shown == key
            if isinstance(inner, str):
                place = source.value_span((*path, key))
                if place.line == place.end_line and inner and "\n" not in inner:
                    written = lines[place.line - 1][place.column - 1 : place.end_column - 1]
                    assert yaml.safe_load(written) == inner
            visit(inner, (*path, key))

    visit(tree, ())


BIG = {
    "aliases": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60)),
    "deep": "[" * 1_000_000,
    "wide": "agents: {" + ",".join(f"a{n}: 1" for n in range(90_000)) + "}",
    "keys": "agents: {a: {" + ",".join(f"k{n}: 1" for n in range(90_000)) + "}}",
    "templates": "agents:\n" + "".join(f"  a{n}: {{prompt: '{{{{ inputs.x{n} + {n} }}}}'}}\n" for n in range(20_000)),
    "one template": "agents: {a: {prompt: '" + "{{ 1 }}" * 140_000 + "'}}",
    "long expression": "agents: {a: {command: x, if: '" + "1+" * 500_000 + "1'}}",
    "references": "agents:\n" + "".join(f"  a{n}: {{command: x, depends_on: [b{n}]}}\n" for n in range(25_000)),
    "long line": "a: " + "x" * 1_000_000,
    "newlines": "\n" * 1_000_000,
    "commas": "[" + "," * 1_000_000,
    "numbers": "a: " + "9" * 1_000_000,
    "merge": "b: &b {" + ",".join(f"k{n}: 1" for n in range(20_000)) + "}\n"
    + "".join(f"m{n}: {{<<: *b}}\n" for n in range(20_000)),
    "zero bytes": "\x00" * 1_000_000,
    "colons": "a: " * 300_000,
    "duplicates": "a: 1\n" * 200_000,
    "tags": "a: [" + "!x y," * 150_000 + "]",
    "number keys": "".join(f"{n}: x\n" for n in range(80_000)),
    "matrix": "agents: {a: {command: x, matrix: {" + ",".join(f"k{n}: [1,2,3]" for n in range(40_000)) + "}}}",
    "quotes": "'" * 1_000_000,
    "anchors": "".join(f"k{n}: &a{n} v\n" for n in range(50_000)),
}  # fmt: skip


ORDINARY = "agents:\n" + "".join(
    f"  a{n}: {{command: 'echo {n}', depends_on: [b{n}], env: {{A: x, B: y}}}}\n" for n in range(500)
)


@pytest.mark.slow
@pytest.mark.parametrize("name", BIG)
def test_a_megabyte_of_anything_is_read_in_time_and_space(name: str, tmp_path: Path) -> None:
    """In at most ten times what PyYAML's own loader takes for 32 KiB of an ordinary file in the same process.

    In a process of its own, so that its peak memory is its own. A bound in seconds would be one on the machine.
    """
    data = BIG[name].encode()[: 2**20]
    (tmp_path / "team.yaml").write_bytes(data)
    code = (
        "import sys, time\n"
        "from teamflow.team.load import load\n"
        "class S:\n"
        f"    def read(self, path): return open({str(tmp_path / 'team.yaml')!r}, 'rb').read()\n"
        "started = time.process_time()\n"
        "loaded = load('team.yaml', sources=S())\n"
        # Not ru_maxrss: that also counts what the parent held when it was forked.
        "peak = int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
        "seconds = time.process_time() - started\n"
        "import yaml\n"
        "started = time.process_time()\n"
        f"yaml.load({ORDINARY!r}, yaml.SafeLoader)\n"
        "peer = time.process_time() - started\n"
        "print(seconds / peer, peak, len(list(loaded.diagnostics)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    ratio, kibibytes, complaints = done.stdout.split()
    assert int(complaints) >= (name != "matrix")
    assert float(ratio) < 10
    assert int(kibibytes) < 200 * 1024
