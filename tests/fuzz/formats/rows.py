"""Files of keys and rows: CSV, JSON lines, lines, NULs."""

from __future__ import annotations

import gzip

from bulkmeta.errors import UsageError
from bulkmeta.sources.key_file import examine_keys, read_keys
from bulkmeta.sources.tables import read_rows
from tests.fuzz.harness import Harness, kept

_NAMES = {b"c": "a.csv", b"j": "a.jsonl", b"C": "a.csv.gz", b"J": "a.jsonl.gz"}


def read(data: bytes) -> None:
    """The first byte says which form it is."""
    which, text = data[:1], data[1:]
    name = _NAMES.get(which, "keys")
    with kept(gzip.compress(text, 1) if name.endswith("gz") else text, name) as path:
        if which in _NAMES:
            for _, cells in read_rows(path, lambda _: None):
                assert isinstance(cells, dict)
        elif which in {b"n", b"r", b"o"}:
            form = {b"n": "null", b"r": "rows", b"o": "jsonl"}[which]
            for named in read_keys(path, form):  # type: ignore[arg-type] # one of them
                named.key.encode()
        else:
            examine_keys(path, "lines", ("",))


HARNESS = Harness(
    read,
    (UsageError,),
    (
        b'ckey,meta:a\n"p/a",1\np/b,"2\n3"\n',
        b'j{"key":"p/a","meta:a":"1"}\n{"key":"p/b","n":1,"z":null}\n',
        b"Ckey,meta:a\np/a,1\n",
        b'J{"key":"p/a"}\n',
        b"np/a\0p/b\0",
        b'o"p/a"\n{"key":"p/b","version_id":"v"}\n',
        b"lp/a\r\np/b\n",
        b"j{" + b'"a":[' * 2000,
        b'j{"a":' + b"9" * 5000 + b"}",
    ),
    (b'"', b",", b"\n", b"\r", b"\xef\xbb\xbf", b"\0", b'"key"', b"null", b"\\ud800"),
)
