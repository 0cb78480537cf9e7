"""Values made from the object they are for."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulkmeta.errors import ObjectError, SkipError, UsageError
from bulkmeta.model.changes import Change, make_change
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.model.templates import (
    Source,
    depends_on_object,
    fill,
    parse_template,
    render,
)

HEAD = ObjectHead(
    Metadata(
        {"owner": "测试", "empty": ""}, {"content-type": "a/b"}, storage_class="IA"
    ),
    etag="5D41",
    last_modified="Sun, 02 Aug 2026 07:05:09 GMT",
    date="Sun, 22 Nov 2026 10:00:00 GMT",
    size_bytes=1234,
    object_type="Normal",
    version_id=None,
    request_id=None,
)


def source(key: str = "photos/2026/a.b.JPG") -> Source:
    return Source(key, HEAD)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("{key}", "photos/2026/a.b.JPG"),
        ("{dir}|{name}|{stem}|{ext}", "photos/2026|a.b.JPG|a.b|JPG"),
        ("{part[0]}-{part[1]}-{part[-1]}", "photos-2026-a.b.JPG"),
        ("{size} bytes", "1234 bytes"),
        ("{etag} {storage_class}", "5D41 IA"),
        ("{meta[owner]}{meta[Owner]}{meta[empty]}", "测试测试"),
        ("{header[content-type]}", "a/b"),
        ("{last_modified}", "2026-08-02T07:05:09Z"),
        ("{last_modified:%Y-%m}", "2026-08"),
        ("{last_modified:year %Y, day %j%%}", "year 2026, day 214%"),
        ("{{}}", "{}"),
        ("{{key}}", "{key}"),
        ("{{{key}}}", "{photos/2026/a.b.JPG}"),
        ('{{"a": 1}}', '{"a": 1}'),
    ],
)
def test_values(template: str, value: str) -> None:
    """Each field, and braces that are meant."""
    assert render(template, source()) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", "|a|a|-"),
        ("a/b", "a|b|b|-"),
        ("a/.hidden", "a|.hidden|.hidden|-"),
        ("a/b.", "a|b.|b.|-"),
        ("a.d/b", "a.d|b|b|-"),
        ("a/", "a|||-"),
        ("x.tar.gz", "|x.tar.gz|x.tar|gz"),
    ],
)
def test_names_without_extension(key: str, value: str) -> None:
    """A dot at the begin or end of a name begins no extension."""
    found = render("{dir}|{name}|{stem}|", source(key))
    ext = render("{ext}", source(key), "empty") or "-"
    assert f"{found}{ext}" == value


@pytest.mark.parametrize(
    "template", ["{meta[nobody]}", "{part[3]}", "{part[-4]}", "{header[expires]}"]
)
def test_missing_fields(template: str) -> None:
    """The object fails, is left alone, or the field is empty: as the user says."""
    with pytest.raises(ObjectError) as failed:
        render(template, source())
    with pytest.raises(SkipError) as skipped:
        render(template, source(), "skip")
    assert (failed.value.reason, str(failed.value)) == (
        "missing_field",
        f"the object has no {template}",
    )
    assert skipped.value.reason == "missing_field"
    assert render(f"<{template}>", source(), "empty") == "<>"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{", "a single '{'; write '{{'"),
        ("a}b", "a single '}'; write '}}'"),
        ("{}", "a single '{'"),
        ('{"a":1}', "a single '{'"),
        ("{nonsense}", "there is no field '{nonsense}'; there are {key} {name}"),
        ("v${FOO}", """'${FOO}': to use the variable, add environment = ["FOO"] to"""),
        ("${foo}", "for the text itself, write ${{foo}}"),
        ("{key[0]}", "there is no field '{key[0]}'"),
        ("{key:>10}", "there is no field '{key:>10}'"),
        ("{part}", "there is no field '{part}'"),
        ("{part[]}", "there is no field '{part[]}'"),
        ("{part[x]}", "there is no field '{part[x]}'"),
        ("{part[99999]}", "there is no field '{part[99999]}'"),
        ("{meta}", "there is no field '{meta}'"),
        ("{meta[]}", "there is no field '{meta[]}'"),
        ("{key.__class__}", "a single '{'"),
        ("{key!r}", "a single '{'"),
        ("{last_modified[0]}", "there is no field '{last_modified[0]}'"),
        ("{last_modified:}", "there is no field '{last_modified:}'"),
        ("{last_modified:%Q}", "there is no field '{last_modified:%Q}'"),
        ("{last_modified:%}", "there is no field '{last_modified:%}'"),
    ],
)
def test_refused_templates(template: str, words: str) -> None:
    """What is no field is told before anything is sent."""
    with pytest.raises(UsageError) as caught:
        make_change(set_meta=[("a", template)])
    assert words in str(caught.value)


PIECES = st.sampled_from(
    [
        *("{", "}", "{{", "}}", "[", "]", ":", "%", "%Y", ".", "!", "__class__", "0"),
        *(
            "key",
            "meta",
            "part",
            "last_modified",
            "{key}",
            "{meta[owner]}",
            "{part[0]}",
        ),
    ]
)


@given(
    st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join),
    st.text(max_size=30),
)
@example("{last_modified:%s}", "k")
def test_nothing_but_the_documented_errors(template: str, key: str) -> None:
    """Any text is a template or one clear error; none reaches anything else."""
    try:
        parts = parse_template(template)
    except UsageError:
        return
    value = render(template, source(key), "empty")
    assert "<" not in value or "<" in template + key
    assert len(value) <= len(template) + 60 * len(parts) + len(key) * len(parts)


def test_a_change_for_one_object() -> None:
    """All values are filled in; a default that is not needed may lack its fields."""
    change = make_change(
        set_meta=[("year", "{part[1]}")],
        default_meta=[("owner", "{meta[nobody]}"), ("by", "{meta[owner]}")],
        set_headers=[("cache-control", "max-age={size}")],
        content_type_auto=True,
    )
    filled = fill(change, source())
    assert (depends_on_object(change), filled.set_meta, filled.default_meta) == (
        True,
        {"year": "2026"},
        {"by": "测试"},
    )
    assert filled.set_headers == {
        "cache-control": "max-age=1234",
        "content-type": "image/jpeg",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (make_change(set_headers=[("expires", "{meta[empty]}")]), "would be empty"),
        (make_change(set_meta=[("a", "{part[1]}")]), "white space"),
        (make_change(default_meta=[("a", "{part[0]}")]), "control characters"),
    ],
)
def test_values_that_no_object_can_hold(change: Change, words: str) -> None:
    """A key may hold what a header cannot."""
    with pytest.raises(ObjectError) as caught:
        fill(change, source("a\nb/ c"))
    assert (caught.value.reason, words in str(caught.value)) == ("invalid_value", True)


def test_the_same_for_every_object() -> None:
    """Nothing to fill in costs nothing."""
    assert not depends_on_object(make_change(set_meta=[("a", "b")]))
    assert depends_on_object(make_change(set_meta=[("a", "{{")]))


FRAGMENTS = [
    *("{", "}", "{{", "}}", "[", "]", ":", "%", "%Y", "%Q", "!r", "0", "-1", ".", "_"),
    *("{key}", "{stem}", "{ext}", "{dir}", "{name}", "{size}", "{etag}", "{part[0]}"),
    *("{part[-1]}", "{part[9999]}", "{meta[owner]}", "{meta[", "{tag[T]}", "{header["),
    *(
        "{last_modified}",
        "{last_modified:%Y-%m-%d}",
        "{last_modified:",
        "{key.__class__}",
    ),
    *(
        "{meta.__init__}",
        "__globals__",
        "{0}",
        "{}",
        "{key!r}",
        "{key:>1000000}",
        "ü",
        "\n",
    ),
]
"""Fields and odd ends, and what `str.format` would fall for."""


def fuzz(count: int, seed: int) -> int:
    """Render random templates; how many could be. Nothing but the documented errors may
    come out, nothing of the interpreter, and nothing may take long."""
    draw = random.Random(seed)  # noqa: S311 repeatable, not secret
    rendered = 0
    for _ in range(count):
        text = "".join(draw.choices(FRAGMENTS, k=draw.randint(1, 8)))
        key = "".join(draw.choices("ab./é{}%", k=draw.randint(1, 12)))
        started_s = time.process_time()
        try:
            value = render(text, source(key), draw.choice(["fail", "skip", "empty"]))
        except (UsageError, ObjectError):
            continue
        rendered += 1
        assert "<class" not in value
        assert "function" not in value
        assert len(value) < 1000
        assert time.process_time() - started_s < 1
    return rendered


def test_random_templates() -> None:
    """`fuzz(100_000, seed)` is the long form."""
    assert fuzz(3000, 20261122) > 300
