"""What OSS accepts in names, values and keys."""

from __future__ import annotations

import pytest

from bulkmeta.model import limits


@pytest.mark.parametrize("name", ["a", "a-b", "0", "-", "x" * 300, "camelcase-1"])
def test_meta_name_accepted(name: str) -> None:
    """Letters, digits and hyphens name user metadata."""
    assert limits.meta_name_fault(name) is None


@pytest.mark.parametrize("name", ["", "A", "a_b", "a b", "a:b", "é", "a\n", "名"])
def test_meta_name_refused(name: str) -> None:
    """Anything else does not; a trailing line break is no way around it."""
    assert (
        limits.meta_name_fault(name)
        == "a metadata name takes only letters, digits and hyphens"
    )


@pytest.mark.parametrize(
    "value",
    ["", "a", "测试", "é", "a b", "%20", "a\u2028b", "😀", "\u00a0a", "a\u3000"],
)
def test_value_accepted(value: str) -> None:
    """Values are UTF-8 text; an empty one is a value too."""
    assert limits.value_fault(value) is None


@pytest.mark.parametrize("char", [*map(chr, range(32)), "\x7f"])
def test_control_character_refused(char: str) -> None:
    """Every ASCII control character is refused, wherever it stands."""
    assert (
        limits.value_fault(f"a{char}b")
        == "a value may not hold line breaks or other control characters"
    )


@pytest.mark.parametrize("value", [" a", "a ", "  a", " "])
def test_outer_white_space_refused(value: str) -> None:
    """White space that HTTP would strip is refused, not lost."""
    assert (
        limits.value_fault(value)
        == "a value may not begin or end with white space (HTTP strips it)"
    )


def test_value_that_is_not_utf8_refused() -> None:
    """A lone surrogate cannot be sent."""
    assert limits.value_fault("a\udcff") == "the value is not valid UTF-8"


def test_user_meta_bytes_counts_utf8() -> None:
    """Names and values count in bytes, not characters."""
    assert (
        limits.user_meta_bytes({"ab": "测试", "c": "", "d": "é"}) == 2 + 6 + 1 + 1 + 2
    )


@pytest.mark.parametrize(
    "key", ["a", "a/b", "a" * 1023, "测" * 341, " ", "a\nb", "a//b"]
)
def test_key_accepted(key: str) -> None:
    """A key has 1 to 1023 bytes of UTF-8."""
    assert limits.key_fault(key) is None


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "a key has 1 to 1023 bytes in UTF-8"),
        ("a" * 1024, "a key has 1 to 1023 bytes in UTF-8"),
        ("测" * 342, "a key has 1 to 1023 bytes in UTF-8"),
        ("/a", "a key cannot begin with a slash or backslash"),
        ("\\a", "a key cannot begin with a slash or backslash"),
        ("a\udcff", "the key is not valid UTF-8"),
    ],
)
def test_key_refused(key: str, fault: str) -> None:
    """Each rule on keys has its own words."""
    assert limits.key_fault(key) == fault


@pytest.mark.parametrize("name", ["abc", "a-1", "1" * 63, "0-0"])
def test_bucket_accepted(name: str) -> None:
    """Bucket names as the service allows them."""
    assert limits.bucket_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "-ab", "ab-", "Abc", "a_b", "a.b", "abc\n", "桶桶桶"]
)
def test_bucket_refused(name: str) -> None:
    """All other bucket names."""
    assert (
        limits.bucket_fault(name)
        == "a bucket name has 3 to 63 lower-case letters, digits and hyphens"
    )
