"""Pages of a listing, read from the service's XML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmeta.model.metadata import ListedObject
from bulkmeta.oss.page import Page, parse_page


def page(contents: str, tail: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name>'
        f"<EncodingType>url</EncodingType>{contents}{tail}</ListBucketResult>"
    ).encode()


def entry(key: str, more: str = "") -> str:
    return f"<Contents><Key>{key}</Key>{more}</Contents>"


def test_entry_of_a_page() -> None:
    """All that a listing says of an object."""
    body = page(
        entry(
            "a",
            '<LastModified>2026-11-22T10:00:00.000Z</LastModified><ETag>"E"</ETag>'
            "<Type>Multipart</Type><Size>12345678901</Size>"
            "<StorageClass>Archive</StorageClass>"
            '<RestoreInfo>ongoing-request="true"</RestoreInfo>'
            "<Owner><ID>1</ID></Owner>",
        )
    )
    assert parse_page(body).objects == [
        ListedObject(
            "a",
            12_345_678_901,
            "E",
            "2026-11-22T10:00:00.000Z",
            "Multipart",
            "Archive",
            'ongoing-request="true"',
        )
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a%2Fb", "a/b"),
        ("%E6%B5%8B", "测"),
        ("a+b", "a+b"),
        ("a%20b%25", "a b%"),
        ("a%00%0D%0Ab", "a\0\r\nb"),
        ("a&amp;b&lt;", "a&b<"),
        ("%FF", "\udcff"),
        ("%zz%", "%zz%"),
        ("", ""),
    ],
)
def test_odd_keys(text: str, key: str) -> None:
    """Keys are decoded once; a plus is a plus; no bytes are lost."""
    assert parse_page(page(entry(text))).objects == [ListedObject(key)]


@pytest.mark.parametrize(
    ("tail", "token"),
    [
        ("", None),
        ("<IsTruncated>false</IsTruncated>", None),
        (
            "<IsTruncated>false</IsTruncated>"
            "<NextContinuationToken>t</NextContinuationToken>",
            None,
        ),
        (
            "<IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>"
            "<NextContinuationToken>t+/=</NextContinuationToken>",
            "t+/=",
        ),
    ],
)
def test_next_page(tail: str, token: str | None) -> None:
    """IsTruncated alone decides, however few keys a page holds."""
    assert parse_page(page("", tail)) == Page([], token)


DECLARING = (
    b'<!DOCTYPE ListBucketResult [<!ENTITY a "aa">]>'
    b"<ListBucketResult><Prefix>&a;</Prefix></ListBucketResult>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        page(entry("a"))[:-5],
        b"<Error/>",
        page("", "<IsTruncated>true</IsTruncated>"),
        page(
            "",
            "<IsTruncated>true</IsTruncated>"
            "<NextContinuationToken></NextContinuationToken>",
        ),
        page(entry("a", "<Size>many</Size>")),
        page("<Contents><Size>1</Size></Contents>"),
        b'<?xml version="1.0" encoding="nonsense"?><ListBucketResult/>',
        DECLARING,
        DECLARING.decode().encode("utf-16"),
    ],
)
def test_unreadable_page(body: bytes) -> None:
    """A page that is not whole is no page: no key may be missed in silence."""
    with pytest.raises(ValueError, match=r".+"):
        parse_page(body)


USUAL = (
    "<Contents>\n  <Key>{key}</Key>\n  <LastModified>{modified}</LastModified>\n"
    "  <ETag>{quote}{etag}{quote}</ETag>\n  <Type>{kind}</Type>\n"
    "  <Size>{size}</Size>\n  <StorageClass>IA</StorageClass>{more}\n</Contents>"
)
TEXT = st.text(
    st.sampled_from("aZ09%2F/+-._~ >;\"'&lt#\r\té") | st.characters(codec="utf-8"),
    max_size=8,
)
USUAL_ENTRIES = st.builds(
    USUAL.format,
    key=TEXT,
    modified=st.just("2026-11-22T10:00:00.000Z") | TEXT,
    quote=st.sampled_from(['"', "&quot;", "&#34;", "'", "", "&amp;"]),
    etag=st.just("5D41402ABC4B2A76B9719D911017C592") | TEXT,
    kind=st.just("Normal") | TEXT,
    size=st.integers(0, 10**20) | TEXT,
    more=st.sampled_from(["", "<Owner><ID>1</ID></Owner>", "<!-- -->", "<Key>b</Key>"]),
)
OTHER = st.sampled_from(
    ["<Contents><Key>z</Key></Contents>", "<!-- <Contents> -->", "<a>", " ", "</a>"]
)


def usual(
    key: str = "a", quote: str = '"', etag: str = "E", kind: str = "Normal"
) -> str:
    return USUAL.format(
        key=key, modified="", quote=quote, etag=etag, kind=kind, size=1, more=""
    )


def read_as_xml(body: bytes) -> Page:
    """The page without the short way: an XML comment switches that off."""
    return parse_page(body + b"<!-- -->")


@given(st.lists(USUAL_ENTRIES | OTHER, max_size=4))
def test_usual_entries_read_as_xml(parts: list[str]) -> None:
    """The short way for usual entries leads to what reading them as XML leads to."""
    body = page("".join(parts))
    try:
        expected = read_as_xml(body)
    except ValueError:
        with pytest.raises(ValueError, match=r".+"):
            parse_page(body)
        return
    assert parse_page(body) == expected


@pytest.mark.parametrize(
    "entries",
    [
        [usual("a"), usual("b")],
        [usual("a"), entry("b")],
        [entry("a"), usual("b")],
        [usual("a"), entry("b"), usual("c")],
        [usual("a&amp;b")],
        [usual("a", kind="N&lt;")],
        [usual("a", etag="E&amp;")],
        *([usual("a", quote)] for quote in ("", "&quot;", "&#34;", "&#39;", "'")),
    ],
)
def test_usual_entries_among_others(entries: list[str]) -> None:
    """No object is missed, and none looks different, wherever an odd one stands."""
    body = page("".join(entries))
    found = parse_page(body)
    assert len(found.objects) == len(entries)
    assert found == read_as_xml(body)


def test_usual_entries_inside_a_comment() -> None:
    """What is commented out is not listed."""
    assert parse_page(page(f"<!-- {usual()} -->")).objects == []
    assert len(parse_page(page(usual())).objects) == 1
