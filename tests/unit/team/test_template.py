"""Templates: values, references, the sandbox's walls and its bounds."""

from __future__ import annotations

import subprocess
import sys

import pytest

from teamflow.team.template import (
    Reference,
    TemplateError,
    evaluate,
    evaluate_condition,
    expression_names,
    is_template,
    names,
    render,
    render_text,
)
from tests.fakes.yardstick import measured

CONTEXT = {
    "inputs": {"a": "x", "n": 3, "list": [1, 2], "flag": True, "items": "own", "none": None, "map": {"k": "v"}},
    "agents": {"my-agent": {"text": "hi", "outputs": {"b": {"c": 1}}}},
    "secrets": {"TOKEN": "TOKEN"},
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("plain } { text", "plain } { text"),
        ("", ""),
        ("{{ inputs.a }}", "x"),
        ("{{inputs.n}}", 3),
        ("{{ inputs.list }}", [1, 2]),
        ("n = {{ inputs.n }}, {{ inputs.list }} {{ inputs.flag }} {{ inputs.none }}", "n = 3, [1, 2] true null"),
        ("{{ inputs.items }}", "own"),
        ("{{ inputs.list }}\n", "[1, 2]\n"),
        ("{{ agents['my-agent'].outputs.b }}", {"c": 1}),
        ("{{ inputs['list'][0] }}", 1),
        ("{{ inputs.list[0:1] }}", [1]),
        ("{{ inputs.n + 1 }}", 4),
        ("{{ inputs.a ~ '-' ~ inputs.n }}", "x-3"),
        ("{{ 'y' if inputs.flag else 'n' }}", "y"),
        ("{{ inputs.nope | default('z') }}", "z"),
        ("{% if inputs.nope is defined %}y{% else %}n{% endif %}", "n"),
        ("{% for i in range(3) %}{{ loop.index }}{{ i }} {% endfor %}", "10 21 32 "),
        ("{% for k, v in inputs.map | items %}{{ k }}={{ v }}{% endfor %}", "k=v"),
        ("{% set t = inputs.a %}{{ t }}", "x"),
        ("{{ inputs.list | map('string') | join('+') }}", "1+2"),
        ("{{ inputs.list | sum }}", 3),
        ("{{ inputs.map | tojson }}", '{"k": "v"}'),
        ("{# note #}{{ inputs.a }}{# note #}", "x"),
        ("{{ [1, 2] == inputs.list }}", True),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ],
)
def test_render(source: str, value: object) -> None:
    assert render(source, CONTEXT) == value
    assert type(render(source, CONTEXT)) is type(value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ inputs.nope }}", 'inputs has no key "nope"; it has a, flag'),
        ("{{ inputs.nope == 1 }}", "there is no key 'nope' here"),
        ("{{ inputs.a.b }}", "inputs.a is no map"),
        ("{{ nope }}", "there is no nope here"),
        ("{{ inputs.list[9] }}", "there is no entry number 9"),
        ("{{ x", "unexpected end of template"),
        ("{% if %}", "expected an expression"),
        ("{{ 'a' | nope }}", "there is no filter 'nope'; the filters are abs"),
        ("{{ 'a' + 1 }}", "join texts with ~"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ inputs }}{% for x in inputs.n %}{% endfor %}", "can be looped over"),
        ("{{ {1: 2} }}", "keys of a map must be texts"),
    ],
)
def test_what_has_no_value_says_why(source: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(source, CONTEXT)
    assert said in str(caught.value)


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ inputs.__class__.__mro__ }}",
    "{{ inputs['__class__'] }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ ().__class__.__bases__[0].__subclasses__()[40]('/etc/passwd').read() }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ dict.__base__ }}",
    "{{ url_for.__globals__ }}",
    "{{ config }}",
    "{{ request }}",
    "{{ range.__class__ }}",
    "{{ range(1).__class__ }}",
    "{{ inputs | attr('__class__') }}",
    "{{ inputs | map(attribute='__class__') | list }}",
    "{{ [inputs] | map(attribute='__class__.__mro__') | list }}",
    "{{ [inputs] | map('attr', '__class__') | list }}",
    "{{ ['', ''] | sort(attribute='__class__') }}",
    "{{ [''] | selectattr('__class__') | list }}",
    "{{ [''] | unique(attribute='__class__') | list }}",
    "{{ ['', ''] | max(attribute='__class__') }}",
    "{{ [''] | groupby('__class__') }}",
    "{{ '%s' | format(inputs) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s' % inputs }}",
    "{{ 'abc'.upper() }}",
    "{{ inputs.list.append(1) }}",
    "{{ inputs.update({'a': 1}) }}",
    "{{ inputs.map.pop('k') }}",
    "{{ (1).real }}",
    "{{ 1 .__add__(1) }}",
    "{% include 'x' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% macro x() %}{% endmacro %}{{ x() }}",
    "{% macro x() %}{% endmacro %}{{ x.__globals__ }}",
    "{% call x() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% set ns = namespace(a=1) %}{{ ns.a }}",
    "{% set x %}y{% endset %}{{ x }}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% autoescape true %}{% endautoescape %}",
    "{% for x in [1] %}{{ loop }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
    "{% for x in [1, 2] %}{{ loop | list }}{% endfor %}",
    "{{ caller() }}",
    "{{ varargs }}",
    "{{ [1] | map(' budget') | list }}",
    "{{ ' budget' is callable }}",
    "{{ inputs is sameas inputs }}",
    "{{ range }}",
    "{{ range | string }}",
    "{{ inputs | pprint }}",
    "{{ inputs | xmlattr }}",
    "{{ 'x' | random }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_no_way_out(source: str) -> None:
    with pytest.raises(TemplateError):
        render(source, CONTEXT)


BOMBS = [
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ 2**(2**30) }}",
    "{{ 9**9**9 }}",
    "{{ [1] * 10**9 }}",
    "{{ range(10**9) }}",
    "{{ range(10**9) | list | length }}",
    "{{ '%999999999d' % 1 }}",
    "{{ 'a' | center(10**9) }}",
    "{{ 'a' | indent(10**9) }}",
    "{{ 'a' | truncate(10**9) }}",
    "{{ 1.5 | round(10**9) }}",
    "{{ range(100000) | join('x' * 100000) }}",
    "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "{{ ('a' * 1000000) | list | join(',') | list | length }}",
    "{{ 'a' * 1000000 ~ 'a' * 1000000 }}",
    "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{{ 'x' * 1000000 }}{% endfor %}",
    "{% for a in range(100000) %}{% if 'x' * 1000000 == 'x' * 999999 ~ 'x' %}{% endif %}{% endfor %}",
    "{% for a in range(100000) %}{{ ('x' * 1000000)[1:] is defined }}{% endfor %}",
    "{% for x in 'a' * 1000000 %}{% for y in 'a' * 1000000 %}{% endfor %}{% endfor %}",
    "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "{% set a = [1, 1] %}" + "{% set a = [a, a] %}" * 60 + "{{ a == a }}",
    "{% set a = 'xx' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "{% set a = 'xx' %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "{% set a = {'k': 1} %}" + "{% set a = {'k': a, 'l': a} %}" * 60 + "{{ a }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "{{ " + "not " * 5000 + "true }}",
    "{{ " + "-" * 5000 + "1 }}",
    "{{ " + "1+" * 3000 + "1 }}",
    "{{ " + "1," * 100_000 + "1 }}",
    "{{ 1 }}" * 100_000,
    "{% if true %}" * 500 + "{% endif %}" * 500,
    "{% for x in [1] %}" * 30 + "{% endfor %}" * 30,
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ " + "9" * 10_000 + " }}",
    "{{ 1e400 }}",
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("source", BOMBS)
def test_no_bomb_goes_off(source: str) -> None:
    def refused() -> None:
        with pytest.raises(TemplateError):
            render(source, CONTEXT)

    _, rounds = measured(refused)
    assert rounds < 500


def test_rendering_many_times_costs_one_compilation() -> None:
    source = "{% if inputs.flag %}{{ inputs.n }}{% endif %}"
    render(source, CONTEXT)
    _, rounds = measured(lambda: [render(source, CONTEXT) for _ in range(2_000)])
    assert rounds < 50


def test_names() -> None:
    assert names("no template") == ()
    assert names("{{ inputs.x }} {{ agents.a.outputs.b }}") == (
        Reference(("inputs", "x")),
        Reference(("agents", "a", "outputs", "b")),
    )
    assert set(names("{{ agents['my-agent'].outputs.b[inputs.x] }}{% for a in inputs.l %}{{ a.b }}{% endfor %}")) == {
        Reference(("agents", "my-agent", "outputs", "b"), whole=False),
        Reference(("inputs", "x")),
        Reference(("inputs", "l")),
    }
    assert names("{{ inputs.z | default('q') }}") == (Reference(("inputs", "z"), optional=True),)
    assert expression_names("inputs.x != 'docs' and run.number > 1") == (
        Reference(("run", "number")),
        Reference(("inputs", "x")),
    ) or set(expression_names("inputs.x != 'docs' and run.number > 1")) == {
        Reference(("run", "number")),
        Reference(("inputs", "x")),
    }


def test_expressions() -> None:
    assert evaluate("inputs.list", CONTEXT) == [1, 2]
    assert evaluate(" inputs.n * 2 ", CONTEXT) == 6
    assert evaluate_condition("inputs.a != 'docs' and inputs.flag", CONTEXT) is True
    assert evaluate_condition("inputs.flag", CONTEXT) is True
    for source, said in [
        ("inputs.a", "must be true or false, but it is a text"),
        ("inputs.n", "a number"),
        ("{{ inputs.flag }}", "without braces"),
        ("inputs.flag ==", "unexpected"),
        ("1 2", "unexpected"),
        ("", "unexpected"),
    ]:
        with pytest.raises(TemplateError) as caught:
            evaluate_condition(source, CONTEXT)
        assert said in str(caught.value)


def test_text_of_values() -> None:
    assert render_text("{{ inputs.flag }}", CONTEXT) == "true"
    assert render_text("{{ inputs.list }}", CONTEXT) == "[1, 2]"
    assert render_text("{{ inputs.map }}", CONTEXT) == '{"k": "v"}'
    assert not is_template("plain { }")
    assert is_template("{% x %}")


def test_plain_references_do_not_import_jinja2() -> None:
    code = (
        "import sys; from teamflow.team.template import render, names, evaluate\n"
        "render('plain', {}); render('{{ a.b }} x', {'a': {'b': 1}}); names('{{ a.b }}'); evaluate('a', {'a': 1})\n"
        "assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
