"""Conditions on objects: what they mean, what is refused, and that they always end."""

from __future__ import annotations

import random
import re
import sys
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import ObjectError, SkipError, UsageError
from bulkmeta.model.conditions import FIELDS, Condition
from bulkmeta.model.metadata import ListedObject, Metadata, ObjectHead

TIME = "Sun, 22 Nov 2026 10:00:00 GMT"
LISTED = ListedObject("p/ü.jpg", 10, "E", "2026-11-22T10:00:00.000Z")
HEAD = ObjectHead(
    Metadata(
        {"a": "1", "b-c": "ü"},
        {"content-type": "image/jpeg"},
        tags={"T": "x"},
        storage_class="IA",
    ),
    "E",
    TIME,
    TIME,
    10,
    "Normal",
    version_id=None,
    request_id=None,
)


def verdict(text: str, head: ObjectHead = HEAD) -> str:
    """`holds`, or the reason why the object is left alone."""
    try:
        Condition((text,)).require(LISTED.key, head)
    except ObjectError as error:
        return error.reason
    return "holds"


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "size == 10 && size < 11",
        'key == "p/ü.jpg" && key.startsWith("p/") && key.endsWith(".jpg")',
        'key.matches("^p/.+[.]jpe?g$")',
        'etag == "E" && object_type == "Normal" && storage_class in ["IA", "Archive"]',
        'last_modified == timestamp("2026-11-22T10:00:00Z")',
        'timestamp("2026-11-23T00:00:00Z") - last_modified > duration("13h")',
        'meta.a == "1" && meta["b-c"] == "ü" && int(meta.a) + 1 == 2',
        'has(meta.a) && !has(meta.z) && "b-c" in meta && !("z" in meta)',
        'headers["content-type"].startsWith("image/")',
        'tags.T == "x" && size(tags) == 1',
        'meta.exists(name, name.startsWith("b")) && meta.all(n, meta[n] != "")',
        'has(meta.z) ? meta.z == "1" : true',
    ],
)
def test_holds(text: str) -> None:
    """Each field and each usual operator; the listing leaves it open."""
    assert verdict(text) == "holds"
    assert Condition((text,)).may_hold(LISTED) or "storage_class" in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("false", "not_selected"),
        ('meta.z == "1"', "not_selected"),
        ('meta.z != "1"', "not_selected"),
        ('tags["t"] == "x"', "not_selected"),
        ("1 / (size - 10) == 1", "where_failed"),
        ('int(meta["b-c"]) == 1', "where_failed"),
        ("timestamp(meta.a) < last_modified", "where_failed"),
        ('meta.a.matches("(")', "where_failed"),
    ],
)
def test_does_not_hold(text: str, reason: str) -> None:
    """An answer of no, a value that is not there, and no answer at all."""
    assert verdict(text) == reason


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("size > 5", True),
        ("size > 50", False),
        ('size > 50 && meta.a == "1"', False),
        ('meta.a == "1" && size > 50', False),
        ('size > 50 || meta.a == "1"', True),
        ('size > 50 ? meta.a == "1" : false', False),
        ('meta.a == "1" ? size > 50 : size > 60', True),
        ("!has(meta.a)", True),
        ("size(meta) == 0", True),
        ('last_modified < timestamp("2026-01-01T00:00:00Z")', False),
        ('storage_class == "IA"', False),
    ],
)
def test_what_the_listing_settles(text: str, may: bool) -> None:
    """Only a no that holds whatever a head will show."""
    assert Condition((text,)).may_hold(LISTED) is may


def test_several() -> None:
    """All of them have to hold."""
    both = Condition(("size > 5", "size > 50"))
    assert not both.may_hold(LISTED)
    with pytest.raises(SkipError):
        both.require(LISTED.key, HEAD)


def test_what_a_listing_does_not_tell() -> None:
    """A time that is none, and a key that is no text, are left to the head."""
    odd = msgspec.structs.replace(LISTED, last_modified="yesterday")
    now = 'last_modified > timestamp("2030-01-01T00:00:00Z")'
    assert Condition((now,)).may_hold(odd)
    assert Condition(('key == "a"',)).may_hold(ListedObject("\udcff"))


def test_which_read_tags() -> None:
    """Tags are a request of their own, so only these ask for them."""
    texts = {
        text: Condition((text,)).reads_tags for text in ("size > 5", "has(tags.a)")
    }
    assert list(texts.values()) == [False, True]
    assert Condition(('"tags" == key', "has(tags.a)")).reads_tags
    assert not Condition(('"tags" == key',)).reads_tags


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "column 1: Syntax error"),
        ("size >", "column 7: Syntax error"),
        ("size", "is no condition: its value is of type INT"),
        ("kye == 'a'", "column 1: undeclared reference to 'kye'; there are key, size"),
        ("size == '1'", "no matching overload for '_==_'"),
        ("size > 1.5", "no matching overload"),
        ("key.replace('a', 'b') == ''", "undeclared reference to 'replace'"),
        ("__class__ == 1", "undeclared reference"),
        ("meta.__class__.x == 1", "cannot be the operand"),
        ("(" * 500 + "true" + ")" * 500, "recursion limit"),
        ("\udcff", "not valid UTF-8"),
        ("true // " + "x" * 100_001, "limit"),
    ],
)
def test_refused(text: str, words: str) -> None:
    """One line, with the place and what is wrong there."""
    with pytest.raises(UsageError) as caught:
        Condition((text,))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value).replace(repr(text), "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meta.x ==", "column 10: Syntax error: it ends too early"),
        ("(size", "column 6: Syntax error: missing ')' at the end"),
        ("key ==== 'a'", "column 7: Syntax error: extraneous input '=='"),
        ("size size", "column 6: Syntax error: extraneous input 'size'"),
    ],
)
def test_what_the_parser_says(text: str, words: str) -> None:
    """Nothing of all the tokens that it would have taken."""
    with pytest.raises(UsageError) as caught:
        Condition((text,))
    assert str(caught.value).endswith(words)


def test_an_expression_that_would_not_end() -> None:
    """Its steps are counted."""
    loops = "[0,1,2,3,4,5,6,7,8,9].all(a, "
    assert verdict(loops * 8 + "true" + ")" * 8) == "where_failed"


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said."""
    from bulkmeta.model import conditions

    conditions._environment.cache_clear()
    conditions._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    with pytest.raises(UsageError, match=r"pip install .\.\[expr\]"):
        Condition(("true",))


PIECES = [
    *FIELDS,
    *("meta.a", 'meta["b-c"]', "tags.T", "has(meta.z)", "size(key)", "key.size()"),
    *("1", "0", "-1", "2.5", '""', '"ü"', "'\\\\n'", "b'x'", "true", "false", "null"),
    *("[1, 2]", "{}", '{"a": 1}', "int(", "string(", "timestamp(", "duration('1h')"),
    *("==", "!=", "<", ">=", "&&", "||", "!", "+", "-", "*", "/", "%", "in", "?", ":"),
    *("(", ")", "[", "]", ".", ",", ".all(x, ", ".exists(x, ", ".map(x, ", "x"),
    *('.matches("(a*)*b")', '.contains("a")', "__class__", "__import__", "\x00", "ü"),
]
"""Whole terms and odd ends, so that many expressions compile, and many do not."""


TERMS: dict[str, list[str]] = {
    "BOOL": [
        *("true", "false", "BOOL && BOOL", "BOOL || BOOL", "!(BOOL)", "has(meta.a)"),
        *("BOOL ? BOOL : BOOL", "INT < INT", "INT == INT", "STRING == STRING"),
        *("STRING in MAP", "STRING.contains(STRING)", "STRING.matches(STRING)"),
        *("MAP.all(x, STRING == x)", "MAP.exists(y, BOOL)", "TIME < TIME"),
        *("STRING in LIST", "LIST.exists_one(z, z == STRING)", "bool(STRING)"),
    ],
    "INT": [
        *("size", "0", "-7", "9223372036854775807", "INT + INT", "INT * INT"),
        *("INT / INT", "INT % INT", "-(INT)", "size(STRING)", "MAP.size()"),
        *("int(STRING)", "TIME.getHours()", "LIST.size()", "int(TIME)"),
    ],
    "STRING": [
        *("key", "etag", "storage_class", "meta.a", 'meta["b-c"]', "tags.T", '""'),
        *('"ü%s{0}"', "STRING + STRING", "MAP[STRING]", "string(INT)", "LIST[INT]"),
        *("string(TIME)", "(BOOL ? STRING : STRING)", '"(a+)+$"', "r'\\\\'"),
    ],
    "MAP": ["meta", "headers", "tags", '{"a": STRING}', "{STRING: STRING}"],
    "LIST": [
        "['a']",
        "[STRING, STRING]",
        "MAP.map(k, k)",
        "LIST.filter(l, BOOL)",
        "LIST + LIST",
    ],
    "TIME": [
        *("last_modified", "timestamp(STRING)", 'TIME + duration("1h")'),
        *("timestamp(INT)", "TIME - duration(STRING)"),
    ],
}
"""For each type, what an expression of it may look like."""
KINDS = rf"\b({'|'.join(TERMS)})\b"


def expression(draw: random.Random, kind: str, depth: int) -> str:
    """A random expression of a type; mostly one that compiles."""
    plain = [form for form in TERMS[kind] if not re.search(KINDS, form)]
    form = draw.choice(TERMS[kind] if depth > 0 else plain)
    return re.sub(KINDS, lambda m: expression(draw, m[0], depth - 1), form)


def any_expression(draw: random.Random) -> str:
    """Odd ends, or something with a meaning."""
    if draw.random() < 0.5:
        return " ".join(draw.choices(PIECES, k=draw.randint(1, 12)))
    return expression(draw, "BOOL", draw.randint(0, 6))


def fuzz(count: int, seed: int) -> int:
    """Run random expressions; how many compiled. Nothing but the documented errors
    may come out, and nothing may take long."""
    draw = random.Random(seed)  # noqa: S311 repeatable, not secret
    compiled = 0
    for _ in range(count):
        text = any_expression(draw)
        started_s = time.process_time()
        try:
            condition = Condition((text,))
        except UsageError:
            continue
        compiled += 1
        condition.may_hold(LISTED)
        try:
            condition.require(LISTED.key, HEAD)
        except ObjectError as error:
            assert error.reason in {"not_selected", "where_failed"}, text  # noqa: PT017
        assert time.process_time() - started_s < 5, text
    return compiled


def test_random_expressions() -> None:
    """`fuzz(100_000, seed)` is the long form."""
    assert fuzz(3000, 20261122) > 1000


@given(st.text(max_size=40), st.dictionaries(st.text(), st.text()), st.text())
def test_any_text_on_any_metadata(text: str, meta: dict[str, str], value: str) -> None:
    """Nothing but the documented errors."""
    head = msgspec.structs.replace(HEAD, metadata=Metadata(meta, {"expires": value}))
    try:
        condition = Condition((text,))
    except UsageError:
        condition = Condition(("meta.all(k, meta[k] == k) || headers.expires == key",))
    condition.may_hold(ListedObject(value, last_modified=text))
    try:
        condition.require(value, head)
    except ObjectError as error:
        assert error.reason in {"not_selected", "where_failed"}  # noqa: PT017
