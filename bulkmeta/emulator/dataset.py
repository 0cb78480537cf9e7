"""Objects as varied as those of a bucket in use, to show and try things on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]

ALREADY_DONE_EVERY = 50
WANTED = {"project": "atlas"}
WANTED_HEADERS = {"cache-control": "max-age=86400"}


def varied_objects(count: int) -> Iterator[Spec]:
    """`count` objects under several prefixes, as fields of `Store.put_object`.

    Among them are three that no metadata job can or should touch (a symbolic link, an
    archived object, one whose metadata is full), and every fiftieth already is as the
    demonstration wants it.
    """
    special = [_link(), _archived(), _full()][: max(count, 0)]
    yield from special
    makers = (_photo, _document, _page, _log)
    for number in range(count - len(special)):
        spec = makers[number % len(makers)](number)
        if number % ALREADY_DONE_EVERY == 0:
            spec = {**spec, "meta": WANTED, "headers": WANTED_HEADERS}
        yield spec


def _photo(number: int) -> Spec:
    return {
        "key": f"photos/{2020 + number % 7}/IMG_{number:06d}.jpg",
        "body": f"photo {number}",
        "content_type": "image/jpeg",
        "headers": {"cache-control": "max-age=60"},
        "meta": {"owner": "摄影部", "camera": f"M{number % 5}, ser. #00{number % 9}"},
        "acl": "public-read" if number % 3 == 0 else "default",
        "tags": {"team": "media"},
    }


def _document(number: int) -> Spec:
    return {
        "key": f"docs/报告 {number:06d} (final).pdf",
        "body": f"document {number}",
        "content_type": "application/pdf",
        "headers": {
            "content-disposition": f'attachment; filename="报告 {number}.pdf"',
            "content-language": "zh-CN",
        },
        "meta": {"owner": "O. Henry", "revision": f"{number % 10:03d}"},
        "sse": {"x-oss-server-side-encryption": "AES256"},
        "tags": {"team": "legal", "retain": "7y"},
    }


def _page(number: int) -> Spec:
    return {
        "key": f"site/{number % 20:02d}/a b+c%20/page-{number:06d}.html",
        "body": f"<p>{number}</p>",
        "content_type": "text/html; charset=utf-8",
        "headers": {
            "cache-control": "no-cache",
            "expires": "Wed, 21 Oct 2026 07:28:00 GMT",
        },
        "acl": "public-read",
    }


def _log(number: int) -> Spec:
    return {
        "key": f"logs/2026/{number % 12 + 1:02d}/part-{number:06d}.json.gz",
        "body": f"log {number}",
        "content_type": "application/json",
        "headers": {"content-encoding": "gzip"},
        "meta": {"owner": "ops", "empty": ""},
        "storage_class": "IA" if number % 40 == 3 else "Standard",
    }


def _link() -> Spec:
    return {
        "key": "photos/latest.jpg",
        "object_type": "Symlink",
        "symlink_target": "photos/2026/IMG_000006.jpg",
    }


def _archived() -> Spec:
    return {"key": "archive/2019.tar", "size": 7 << 30, "storage_class": "Archive"}


def _full() -> Spec:
    return {
        "key": "docs/full of notes.txt",
        "body": "notes",
        "content_type": "text/plain",
        "meta": {"notes": "n" * 8180},
    }
