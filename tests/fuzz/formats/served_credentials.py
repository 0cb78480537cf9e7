"""What serves credentials: metadata service, STS, an address; or refuses them."""

from __future__ import annotations

from bulkmeta.errors import RunFatalError
from bulkmeta.oss import temporary
from tests.fuzz.harness import Harness, refuse_lines

_SERVED = (
    b'{"AccessKeyId":"STS.a","AccessKeySecret":"b","SecurityToken":"c",'
    b'"Expiration":"2026-11-22T10:15:00Z","Code":"Success"}'
)


def read(data: bytes) -> None:
    """It becomes credentials that say when they expire, or one line that says nothing
    of what was served."""
    try:
        found = temporary._temporary(data.decode("utf-8", "replace"), "STS")
    except RunFatalError as error:
        refuse_lines(error)
        return
    assert str(found).startswith("they expire at ")
    provider = temporary.RefreshingProvider(None, found)  # type: ignore[arg-type] # nothing is fetched
    assert provider._rest_s() >= 1.0
    provider.get_credentials()


HARNESS = Harness(
    read,
    (),
    (
        _SERVED,
        b'{"Credentials":' + _SERVED + b"}",
        b'{"Code":"EntityNotExist.Role","Message":"x"}',
        b'{"Code":"\\n"}',
        _SERVED.replace(b"2026", b"0001").replace(b"Z", b"+23:59"),
        _SERVED.replace(b"2026", b"9999").replace(b"Z", b""),
        _SERVED.replace(b'"Code"', b'"X":' + b"[" * 2000),
        _SERVED.replace(b"STS.a", b"STS.\\r\\na"),
    ),
    (b"null", b"{", b'"Code":"\\n"', b"-23:59", b"[[", b'"Expiration":0', b"\\u0000"),
)
