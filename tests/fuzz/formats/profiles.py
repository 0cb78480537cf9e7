"""Files of other tools that hold credentials: ossutil's, and the cloud CLI's."""

from __future__ import annotations

from bulkmeta.errors import RunFatalError, UsageError
from bulkmeta.oss.credentials import find_credentials
from bulkmeta.oss.profiles import CLI, OSSUTIL, Settings
from tests.fuzz.harness import Harness, kept


def read(data: bytes) -> None:
    """By the first byte, one of both files; what is found tells no value."""
    which, text = data[:1], data[1:]
    name = OSSUTIL if which == b"o" else CLI
    with kept(b"", "home") as place:
        file = place.parent / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text)
        for named in (None, "a"):
            settings = Settings({}, place.parent, named)
            for profile in settings.profiles():
                profile.endpoint_of("bucket")
            source = find_credentials(settings)
            assert "s3cret" not in f"{source} {source.words}"


HARNESS = Harness(
    read,
    (UsageError, RunFatalError),
    (
        b"o[Credentials]\naccessKeyID=a\naccessKeySecret=s3cret\nendpoint=e\n",
        b"o[default]\naccess-key-id=a\naccess-key-secret=s3cret\n[profile a]\n"
        b"source-profile=default\nregion=cn-hangzhou\n",
        b"o[default]\n- a=1\naccess-key-id=a\naccess-key-secret=s3cret\n",
        b"o[profile a]\nmode=oidc\nrole-arn=r\n[bucket-endpoint]\nbucket=e\n",
        b'c{"current":"a","profiles":[{"name":"a","mode":"AK","access_key_id":"i",'
        b'"access_key_secret":"s3cret"}]}',
        b'c{"profiles":[{"name":"a","mode":"EcsRamRole","x":' + b"[" * 2000,
    ),
    (b"[", b"]", b"=", b"\n ", b"source-profile=a", b"%(x)s", b"null", b"\xef\xbb\xbf"),
)
