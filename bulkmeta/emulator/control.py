"""The control interface under `/-/`: JSON over HTTP, unsigned, loopback only.

A bucket's name cannot begin with a hyphen, so nothing is in its way.

====================== ========================================================
`GET /-/health`        `{"ok": true, "requests": n}`
`GET /-/log`           the requests kept, as a list of objects; `DELETE` forgets
`GET /-/faults`        rules in force, each with `fired`; `DELETE` removes all
`POST /-/faults`       one rule: the fields of `faults.Fault`
`POST /-/clock`        `{"offset_s": 5}` sets the offset of the emulator's clock
`POST /-/limits`       `account_qps`, `range_qps`, `ranges`, `throttle_status`:
                       all anew, what is left out is not limited
`POST /-/objects`      `{"bucket": "b", "create": {...}, "objects": [{...}]}`:
                       seed objects with the fields of `Store.put_object`; `body`
                       is text, or base64 in `body_base64`; `create` makes the
                       bucket first, with the fields of `Store.create_bucket`
`GET /-/objects`       `?bucket=b` (`&prefix=p`): all current objects, all fields
====================== ========================================================
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from .faults import Fault
from .wire import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .context import Context
    from .faults import Faults
    from .limits import Limits
    from .log import RequestLog
    from .service import Arrival


class Control:
    """Answers requests under `/-/`."""

    def __init__(
        self, context: Context, faults: Faults, limits: Limits, log: RequestLog
    ) -> None:
        """Control the given parts."""
        self._context = context
        self._faults = faults
        self._limits = limits
        self._log = log
        self._calls: dict[tuple[str, str], Callable[[Arrival], object]] = {
            ("GET", "health"): self._health,
            ("GET", "log"): self._get_log,
            ("DELETE", "log"): lambda _: self._log.clear(),
            ("GET", "faults"): self._get_faults,
            ("POST", "faults"): self._post_fault,
            ("DELETE", "faults"): lambda _: self._faults.clear(),
            ("POST", "clock"): self._post_clock,
            ("POST", "limits"): self._post_limits,
            ("GET", "objects"): self._get_objects,
            ("POST", "objects"): self._post_objects,
        }

    def answer(self, arrival: Arrival) -> Reply:
        """Do what is asked; mistakes are told with status 400, 403 or 404."""
        if not arrival.is_local:
            return _json(403, {"error": "only from this machine"})
        path = arrival.target.partition(b"?")[0]
        name = path.removeprefix(b"/-/").decode("ascii", "replace")
        call = self._calls.get((arrival.method, name))
        if call is None:
            return _json(404, {"error": f"no {arrival.method} /-/{name}"})
        try:
            return _json(200, call(arrival))
        except (ValueError, TypeError, KeyError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})

    def _health(self, _: Arrival) -> object:
        return {"ok": True, "requests": len(self._log.requests())}

    def _get_log(self, _: Arrival) -> object:
        return [asdict(logged) for logged in self._log.requests()]

    def _get_faults(self, _: Arrival) -> object:
        rules = self._faults.rules()
        return [{**asdict(fault), "fired": fired} for fault, fired in rules]

    def _post_fault(self, arrival: Arrival) -> object:
        self._faults.add(Fault(**json.loads(arrival.body)))
        return None

    def _post_clock(self, arrival: Arrival) -> object:
        self._context.clock.offset_s = float(json.loads(arrival.body)["offset_s"])
        return {"time": self._context.clock.time()}

    def _post_limits(self, arrival: Arrival) -> object:
        self._limits.configure(**json.loads(arrival.body))
        return None

    def _get_objects(self, arrival: Arrival) -> object:
        query = parse_qs(arrival.target.partition(b"?")[2].decode())
        prefix = query.get("prefix", [""])[0]
        found = self._context.store.objects(query["bucket"][0], prefix)
        return [asdict(stored) for stored in found]

    def _post_objects(self, arrival: Arrival) -> object:
        asked = json.loads(arrival.body)
        bucket = asked["bucket"]
        if "create" in asked:
            self._context.store.create_bucket(bucket, **asked["create"])
        specs = _specs(asked["objects"])
        return {"objects": self._context.store.put_objects(bucket, specs)}


def _specs(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for spec in objects:
        made = dict(spec)
        if "body_base64" in made:
            made["body"] = base64.b64decode(made.pop("body_base64"))
        yield made


def _json(status: int, value: object) -> Reply:
    body = json.dumps({"ok": True} if value is None else value).encode()
    return Reply(status, [("Content-Type", "application/json")], body)
