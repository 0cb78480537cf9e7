"""What becomes of answers that are lost, unfit, large, or lead elsewhere."""

from __future__ import annotations

import pytest

from tests.functional.wire.conftest import (
    COPIED,
    Command,
    WireServer,
    head,
    latin,
    response,
)


def reason(read_run: Command) -> tuple[str, str | None]:
    """Status and reason of the only object."""
    [line] = read_run("run").objects
    return line["status"], line["reason"]


def test_lost_update_is_settled_by_a_head(
    wire: WireServer, apply: Command, read_run: Command
) -> None:
    """When a used connection is closed upon an update, the update is not sent again
    behind the scenes: a head finds it in effect, and that is the end of it."""
    wire.heads = [head(), head(("x-oss-meta-x", "1"))]
    wire.puts = [None]

    assert apply().code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT", "HEAD"]
    [put] = wire.of("PUT")
    assert put.connection in {r.connection for r in wire.requests if r is not put}
    [line] = read_run("run").objects
    assert (line["status"], line["confirmed"], line["attempts"]) == ("updated", True, 2)


def test_lost_update_is_sent_again_only_after_a_head(
    wire: WireServer, apply: Command, read_run: Command
) -> None:
    """When the head after a lost update shows the old state, one more update is sent,
    and so on: one per attempt, a head between any two."""
    wire.puts = [None, None, COPIED]

    assert apply().code == 0

    assert wire.methods() == ["HEAD", "GET", "PUT"] * 3
    [line] = read_run("run").objects
    assert (line["status"], line["confirmed"], line["attempts"]) == (
        "updated",
        False,
        3,
    )


ATTACHMENT = ("Content-Disposition", "attachment")
FORCED = ("x-oss-force-download", "true")
UNFIT_HEADS = {
    "unknown header": (head(("x-oss-persistent-foo", "1")), "unknown_header"),
    "unknown plain header": (head(("x-custom", "1")), "unknown_header"),
    "metadata not UTF-8": (head(("x-oss-meta-a", "caf\xe9")), "not_utf8"),
    "header not UTF-8": (head(("Cache-Control", "\xff")), "not_utf8"),
    "metadata twice": (
        head(("x-oss-meta-a", "1"), ("X-Oss-Meta-A", "1")),
        "repeated_header",
    ),
    "header twice": (head(("Content-Type", "text/html")), "repeated_header"),
    "SSE twice": (
        head(*[("x-oss-server-side-encryption", "AES256")] * 2),
        "repeated_header",
    ),
    "no ETag": (head(without=("ETag",)), "unguardable"),
    "no Last-Modified": (head(without=("Last-Modified",)), "unguardable"),
    "Last-Modified no date": (
        head(("Last-Modified", "yesterday"), without=("Last-Modified",)),
        "unguardable",
    ),
    "forced download": (head(FORCED, ATTACHMENT), "forced_download"),
}


@pytest.mark.parametrize("name", UNFIT_HEADS)
def test_unfit_head_fails_its_object(
    wire: WireServer, apply: Command, read_run: Command, name: str
) -> None:
    """An object whose head cannot be carried whole, or not guarded, fails with its
    reason; nothing more is sent for it."""
    answer, expected = UNFIT_HEADS[name]
    wire.heads = [answer]

    assert apply().code == 1

    assert reason(read_run) == ("failed", expected)
    assert wire.methods() == ["HEAD"]


@pytest.mark.parametrize("char", ["\x01", "\x0b", "\x1b", "\x7f"])
def test_unsendable_value_fails_its_object(
    wire: WireServer, apply: Command, read_run: Command, char: str
) -> None:
    """A stored value with a character that HTTP forbids fails that object alone; the
    run goes on to the next."""
    wire.keys = ("p/a", "p/b")
    wire.heads = [head(("x-oss-meta-a", f"1{char}2")), head()]

    assert apply("--set", "x=1", "--concurrency", "1").code == 1

    ends = [(v["status"], v["reason"]) for v in read_run("run").objects]
    assert ends == [("failed", "unsendable_value"), ("updated", None)]
    assert [put.path for put in wire.of("PUT")] == [b"/bucket/p/b"]


def test_forced_download_set(wire: WireServer, apply: Command) -> None:
    """`--header content-disposition=…` settles what the object's own shall be."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    assert apply("--header", "content-disposition=inline").code == 0

    [put] = wire.of("PUT")
    assert put.value(b"content-disposition") == b"inline"
    assert b"x-oss-force-download" not in put.names()


def test_forced_download_set_to_the_same(wire: WireServer, apply: Command) -> None:
    """Even `attachment` is sent when asked for: the head does not tell whether it is
    the object's own."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    assert apply("--header", "content-disposition=attachment").code == 0

    [put] = wire.of("PUT")
    assert put.value(b"content-disposition") == b"attachment"


def test_forced_download_unset(wire: WireServer, apply: Command) -> None:
    """`--unset-header content-disposition` sends none, next to another change."""
    wire.heads = [head(FORCED, ATTACHMENT)]

    args = ("--set", "x=1", "--unset-header", "content-disposition")
    assert apply(*args).code == 0

    [put] = wire.of("PUT")
    assert b"content-disposition" not in put.names()
    assert put.value(b"x-oss-meta-x") == b"1"


MOVED = ("301 Moved Permanently", "302 Found", "307 Temporary Redirect")


@pytest.mark.parametrize("status", [*MOVED, "308 Permanent Redirect"])
@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_redirects_are_not_followed(
    wire: WireServer, apply: Command, read_run: Command, status: str, method: str
) -> None:
    """A redirect of a head or an update is that object's failure; signed requests do
    not go wherever an answer points."""
    moved = response(status, (("Location", f"{wire.endpoint}/bucket/elsewhere"),))
    answers = wire.heads if method == "HEAD" else wire.puts
    answers.append(moved)

    assert apply().code == 1

    assert reason(read_run)[0] == "failed"
    assert {r.path for r in wire.requests if r.is_object} == {b"/bucket/p/a"}
    assert len(wire.of(method)) == 1


def test_redirect_of_listing_is_not_followed(wire: WireServer, apply: Command) -> None:
    """A redirect of the listing ends the run."""
    location = ("Location", f"{wire.endpoint}/elsewhere/")
    wire.listing = response("307 Temporary Redirect", (location,))

    assert apply().code == 4

    assert {r.path for r in wire.requests} == {b"/bucket/"}


@pytest.mark.parametrize(
    "meta",
    [{"b": "x" * 8191}, {"big": "文" * 2729}, {f"{n:x}": "1" for n in range(2000)}],
    ids=["one value", "one value of three-byte letters", "2000 headers"],
)
def test_large_metadata(wire: WireServer, apply: Command, meta: dict[str, str]) -> None:
    """8 KB of metadata, as one value or as 2,000 headers, is read and sent back."""
    wire.heads = [head(*((f"x-oss-meta-{k}", latin(v)) for k, v in meta.items()))]

    assert apply("--header", "expires=0").code == 0

    [put] = wire.of("PUT")
    prefix = b"x-oss-meta-"
    sent = {n: v for n, v in put.headers if n.lower().startswith(prefix)}
    assert sent == {prefix + k.encode(): v.encode() for k, v in meta.items()}
