"""The control interface, and the request log."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from bulkmeta.emulator.context import Context
from bulkmeta.emulator.control import Control
from bulkmeta.emulator.faults import Faults
from bulkmeta.emulator.limits import Limits
from bulkmeta.emulator.log import RequestLog
from bulkmeta.emulator.service import Arrival
from tests.functional.emulator.conftest import RawClient

if TYPE_CHECKING:
    from pathlib import Path

    from bulkmeta.emulator.server import EmbeddedOSS
    from tests.functional.emulator.conftest import Start


def ask(raw: RawClient, method: str, path: str, value: Any = None) -> tuple[int, Any]:
    """Status and JSON of an unsigned call."""
    body = b"" if value is None else json.dumps(value).encode()
    reply = raw.exchange(method, f"/-/{path}", {}, body)
    return reply.status, json.loads(reply.body)


def test_health(raw: RawClient) -> None:
    """Health tells that it serves, and how many requests it remembers."""
    raw.send("PUT", "a")

    assert ask(raw, "GET", "health") == (200, {"ok": True, "requests": 1})
    assert raw.exchange("HEAD", "/-/health", {}).status == 404


def test_log(raw: RawClient) -> None:
    """The log can be read and forgotten; control calls are not in it."""
    raw.send("PUT", "文件", headers={"x-oss-meta-v": "v"})

    _, (logged,) = ask(raw, "GET", "log")

    assert (logged["operation"], logged["key"], logged["status"]) == (
        "PutObject",
        "文件",
        200,
    )
    assert logged["headers"]["x-oss-meta-v"] == "v"
    assert ask(raw, "DELETE", "log")[0] == 200
    assert ask(raw, "GET", "log") == (200, [])


def test_faults(raw: RawClient) -> None:
    """Rules can be added, looked at and removed."""
    rule = {"kind": "error", "operation": "PutObject", "status": 429}
    assert ask(raw, "POST", "faults", rule) == (200, {"ok": True})
    assert raw.send("PUT", "a").status == 429

    _, (found,) = ask(raw, "GET", "faults")
    assert (found["kind"], found["fired"]) == ("error", 1)
    ask(raw, "DELETE", "faults")
    assert raw.send("PUT", "a").status == 200


def test_clock(raw: RawClient, oss: EmbeddedOSS) -> None:
    """The clock can be put forward."""
    assert ask(raw, "POST", "clock", {"offset_s": 3600})[0] == 200

    assert oss.clock.offset_s == 3600
    assert raw.send("PUT", "a").status == 403


def test_limits(raw: RawClient) -> None:
    """Quotas can be switched while serving, on and off."""
    ask(raw, "POST", "limits", {"account_qps": 1})
    assert [raw.send("PUT", "a").status for _ in range(2)] == [200, 503]
    ask(raw, "POST", "limits", {})
    assert [raw.send("PUT", "a").status for _ in range(2)] == [200, 200]


def test_objects(raw: RawClient) -> None:
    """Objects can be seeded into a new bucket, and dumped."""
    seed = {
        "bucket": "made",
        "create": {"versioning": "Enabled"},
        "objects": [
            {"key": "文件", "body": "测试", "meta": {"owner": "所有者"}},
            {"key": "raw", "body_base64": base64.b64encode(b"\xff").decode()},
            {"key": "big", "size": 10**10, "storage_class": "IA"},
        ],
    }
    assert ask(raw, "POST", "objects", seed) == (200, {"objects": 3})

    _, found = ask(raw, "GET", "objects?bucket=made")
    assert [one["key"] for one in found] == ["big", "raw", "文件"]
    assert (found[0]["size"], found[0]["storage_class"]) == (10**10, "IA")
    assert (found[2]["meta"], found[2]["size"]) == ({"owner": "所有者"}, 6)
    _, some = ask(raw, "GET", "objects?bucket=made&prefix=r")
    assert [one["key"] for one in some] == ["raw"]


def test_mistakes_are_told(raw: RawClient) -> None:
    """A call that is none is 404; a body that makes no sense 400."""
    assert ask(raw, "GET", "nothing")[0] == 404
    assert ask(raw, "POST", "faults", {"kind": "explode"})[0] == 400
    assert ask(raw, "POST", "faults", {"sort": "error"})[0] == 400
    assert ask(raw, "POST", "limits", {"speed": 1})[0] == 400
    assert ask(raw, "GET", "objects")[0] == 400
    assert ask(
        raw, "POST", "objects", {"bucket": "none", "objects": [{"key": "a"}]}
    ) == (
        400,
        {"error": "KeyError: 'none'"},
    )


def test_only_this_machine_has_control(oss: EmbeddedOSS) -> None:
    """A call from elsewhere is refused whatever it asks."""
    context = Context(oss.store, oss.clock, oss.options)
    control = Control(context, Faults(), Limits(oss.store), RequestLog(1))
    arrival = Arrival("GET", b"/-/health", (), b"", is_local=False)

    assert control.answer(arrival).status == 403


def test_the_log_tells_all_of_a_request(raw: RawClient, oss: EmbeddedOSS) -> None:
    """Method, operation, address, query, headers, outcome and request id."""
    reply = raw.send("GET", "none", params={"acl": ""}, headers={"X-Own": "1"})

    (logged,) = oss.log.requests()

    assert (logged.n, logged.method, logged.operation) == (1, "GET", "GetObjectAcl")
    assert (logged.bucket, logged.key, logged.query) == ("bucket", "none", {"acl": ""})
    assert logged.headers["x-own"] == "1"
    assert (logged.status, logged.code, logged.fault) == (404, "NoSuchKey", None)
    assert logged.request_id == reply.headers["x-oss-request-id"].decode()
    assert abs(logged.at - oss.clock.time()) < 5
    assert oss.log.operations() == [("GetObjectAcl", "none")]
    oss.log.clear()
    assert oss.log.requests() == []


def test_what_cannot_be_parsed_is_logged_as_well(
    raw: RawClient, oss: EmbeddedOSS
) -> None:
    """A request without a proper address is in the log as unknown."""
    raw.exchange("GET", "/bucket/%FF", {})

    (logged,) = oss.log.requests()

    assert (logged.operation, logged.code) == ("Unknown", "InvalidObjectName")


def test_the_log_is_bounded_in_memory_and_whole_in_the_file(
    start: Start, tmp_path: Path
) -> None:
    """Memory keeps the latest; the file has every request as a line."""
    file = tmp_path / "log.jsonl"
    oss = start(log_size=2, log_file=str(file))
    raw = RawClient(oss)
    for key in ("a", "b", "文件"):
        raw.send("PUT", key)

    assert [key for _, key in oss.log.operations()] == ["b", "文件"]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["key"] for line in lines] == ["a", "b", "文件"]


def test_no_log_at_all(start: Start) -> None:
    """With size 0 nothing is remembered."""
    oss = start(log_size=0)
    RawClient(oss).send("PUT", "a")

    assert oss.log.requests() == []
