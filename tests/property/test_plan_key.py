"""Random keys: equal parts give equal keys, and a difference is named exactly when there is one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from teamflow.plan.key import KeyParts, Upstream, difference, key_from_json, key_to_json, value_digest

NAMES = st.sampled_from(["a", "b", "src/a.py", "ü/\n.py", "\ud800"])
DIGESTS = st.sampled_from(["1", "2"])
DIGEST_MAPS = st.dictionaries(NAMES, DIGESTS, max_size=3)
UPSTREAMS = st.builds(Upstream, DIGESTS, DIGEST_MAPS, st.none() | DIGESTS)
KEYS = st.builds(KeyParts, DIGESTS, DIGEST_MAPS, st.dictionaries(NAMES, UPSTREAMS, max_size=3), DIGEST_MAPS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(KEYS, KEYS)
@settings(max_examples=300, deadline=None)
def test_a_difference_is_named_exactly_when_the_keys_differ(old: KeyParts, new: KeyParts) -> None:
    assert (difference(old, new) == "nothing changed") == (old.digest() == new.digest())
    assert difference(old, old) == "nothing changed"


@given(KEYS)
@settings(max_examples=200, deadline=None)
def test_keys_come_back_and_do_not_depend_on_order(key: KeyParts) -> None:
    assert key_from_json(key_to_json(key)) == key
    turned = key._replace(
        reads=dict(reversed(list(key.reads.items()))), upstream=dict(reversed(list(key.upstream.items())))
    )
    assert turned.digest() == key.digest()


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_stored_text_is_a_key_or_none(text: str) -> None:
    assert key_from_json(text) is None


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_every_value_has_a_digest(value: object) -> None:
    assert len(value_digest(value)) == 64  # type: ignore[arg-type]
