"""What a head says, and what stops an object."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.errors import ObjectError
from bulkmeta.model.metadata import Metadata, ObjectHead
from bulkmeta.oss import wire
from tests.unit.oss.wire.conftest import GUARDS, MODIFIED, NOW, answer, read

DATE = "Sun, 22 Nov 2026 11:00:00 GMT"
NOW_DATE = "Sun, 22 Nov 2026 12:00:00 GMT"
PLAIN = Metadata({}, {}, storage_class="Standard")


def refusal(*headers: tuple[str, str]) -> tuple[str, str]:
    with pytest.raises(ObjectError) as caught:
        read(*headers)
    return caught.value.reason, str(caught.value)


VOLATILE = (
    "content-length",
    "content-md5",
    "accept-ranges",
    "date",
    "server",
    "connection",
    "vary",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "x-oss-request-id",
    "x-oss-server-time",
    "x-oss-ec",
    "x-oss-object-type",
    "x-oss-hash-crc64ecma",
    "x-oss-version-id",
    "x-oss-next-append-position",
    "x-oss-sealed-time",
    "x-oss-transition-time",
    "x-oss-expiration",
    "x-oss-restore",
    "x-oss-process-status",
    "x-oss-request-charged",
    "x-oss-tagging-count",
    "x-oss-last-access-time",
    "x-oss-symlink-target",
    "x-oss-delete-marker",
)


@pytest.mark.parametrize("name", VOLATILE)
def test_system_headers_are_never_sent_back(name: str) -> None:
    """Each header that describes the reply or the system is left out of the state."""
    assert read((name, "1")).metadata == PLAIN


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        *(
            (name, Metadata({}, {name: "v é"}, storage_class="Standard"))
            for name in (
                *("content-type", "cache-control", "content-disposition"),
                *("content-encoding", "content-language", "expires"),
            )
        ),
        *(
            (name, Metadata({}, {}, storage_class="Standard", sse={name: "v é"}))
            for name in (
                "x-oss-server-side-encryption",
                "x-oss-server-side-encryption-key-id",
                "x-oss-server-side-data-encryption",
            )
        ),
        ("x-oss-storage-class", Metadata({}, {}, storage_class="v é")),
        ("x-oss-meta-a-b", Metadata({"a-b": "v é"}, {}, storage_class="Standard")),
    ],
)
def test_carried_headers(name: str, metadata: Metadata) -> None:
    """Each header that an update would lose is part of the state, as it came."""
    assert read((name, "v é")).metadata == metadata


def test_facts_of_a_head() -> None:
    """What guards the update, and what is known of the object beside its metadata."""
    found = read(
        ("date", DATE),
        ("content-length", "12345678901"),
        ("x-oss-object-type", "Appendable"),
        ("x-oss-version-id", "v1"),
        ("x-oss-request-id", "r1"),
        ("x-oss-force-download", "true"),
    )
    assert found == ObjectHead(
        PLAIN,
        "E",
        MODIFIED,
        DATE,
        12_345_678_901,
        "Appendable",
        "v1",
        "r1",
        forced_download=True,
    )


def test_least_of_a_head() -> None:
    """ETag and Last-Modified are all that is needed."""
    assert read() == ObjectHead(PLAIN, "E", MODIFIED, NOW_DATE, 0, "Normal", None, None)


def test_unknown_header_stops_the_object() -> None:
    """A header that might be lost is named, not dropped (promise 1)."""
    assert refusal(("x-oss-brand-new", "1")) == (
        "unknown_header",
        "the object has a header 'x-oss-brand-new' that an update might lose",
    )


def test_directive_is_no_user_metadata() -> None:
    """`x-oss-metadata-directive` begins like user metadata, but for the hyphen."""
    assert refusal(("x-oss-metadata-directive", "COPY"))[0] == "unknown_header"


def test_user_metadata_with_the_prefix_twice() -> None:
    """Only one prefix is wire format; a second one is the object's own name."""
    found = read(("x-oss-meta-x-oss-meta-a", "1"))
    assert found.metadata.meta == {"x-oss-meta-a": "1"}


def test_bytes_that_are_no_text() -> None:
    """In what is sent back they stop the object; in a fact they become a mark."""
    reason, _ = refusal(("x-oss-server-side-encryption-key-id", "k\udcff"))
    assert reason == "not_utf8"
    assert read(("x-oss-request-id", "r\udcff")).request_id == "r?"


def test_repeated_fact_is_nothing() -> None:
    """What is not sent back may come twice; the last one counts."""
    assert read(("x-oss-request-id", "1"), ("X-Oss-Request-Id", "2")).request_id == "2"


@pytest.mark.parametrize(
    "name", ["x-oss-meta-a", "expires", "x-oss-server-side-encryption"]
)
def test_repeated_header_stops_the_object(name: str) -> None:
    """A header that came twice cannot be sent as it is."""
    plain = name.removeprefix("x-oss-meta-")
    assert refusal((name, "1"), (name, "1")) == (
        "repeated_header",
        f"the answer holds {plain!r} twice; it cannot be sent so",
    )


def test_value_that_is_not_utf8_stops_the_object() -> None:
    """Bytes that cannot be sent back unharmed are shown, percent-encoded."""
    raw = b"a\xff\xfe".decode("utf-8", "surrogateescape")
    assert refusal(("x-oss-meta-a", raw)) == (
        "not_utf8",
        "the value of 'a' is not UTF-8 (a%FF%FE); sending it back would damage it",
    )


@pytest.mark.parametrize(
    "headers",
    [
        (),
        GUARDS[:1],
        GUARDS[1:],
        (("etag", ""), GUARDS[1]),
        (GUARDS[0], ("last-modified", "yesterday")),
        (GUARDS[0], ("last-modified", "")),
        (GUARDS[0], ("last-modified", "Sun, 22 Nov 99999999999999 10:00:00 GMT")),
    ],
)
def test_head_without_guards(headers: tuple[tuple[str, str], ...]) -> None:
    """Without both guards no update can be safe, so none is made (promise 3)."""
    with pytest.raises(ObjectError) as caught:
        wire.read_head(answer(*headers), NOW)
    assert (caught.value.reason, str(caught.value)) == (
        "unguardable",
        "the answer lacks ETag or Last-Modified; an update could not be guarded",
    )


def test_nonsense_date_is_made_up_for() -> None:
    """An answer without a date of its own is dated by the service clock."""
    assert read(("date", "today")).date == NOW_DATE


@pytest.mark.parametrize(("value", "forced"), [("true", True), ("false", False)])
def test_forced_download(value: str, forced: bool) -> None:
    """The service tells that it put a Content-Disposition of its own there."""
    assert read(("x-oss-force-download", value)).forced_download is forced


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("etag", "last-modified", "date", "content-length", "x-oss-meta-a"),
                *("x-oss-storage-class", "x-oss-object-type", "expires", "x-new"),
            )
        ),
        st.just(MODIFIED)
        | st.binary(max_size=12).map(lambda b: b.decode("utf-8", "surrogateescape")),
    ),
    max_size=6,
)


@given(HEADERS)
def test_heads_raise_only_known_errors(headers: list[tuple[str, str]]) -> None:
    """Any headers describe an object or are refused in one of two ways."""
    try:
        found = wire.read_head(answer(*headers), NOW)
    except (ValueError, ObjectError):
        return
    assert found.etag in {wire.clean(value).strip('"') for _, value in headers}
