"""Files of other tools, as they write them, and as people edit them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.oss.profiles import Profile, Settings

VERSION_1 = """[Credentials]
language=EN
endpoint=oss-cn-shanghai.aliyuncs.com
accessKeyID=id-1
accessKeySecret=secret=1;#
stsToken=token-1
outputDir=ossutil_output

[Bucket-Endpoint]
photos=oss-cn-beijing.aliyuncs.com

[Bucket-Cname]
films=films.example.com
"""
VERSION_2 = """# by `ossutil config`
[default]
accessKeyID = id-2
access-key-secret = secret-2
region = cn-hangzhou

[profile Base]
region = cn-beijing
mode = AK
access_key_id = id-b
accesskeysecret = secret-b

[profile work]
source-profile = base
endpoint = https://oss-cn-beijing-internal.aliyuncs.com
"""
CLI = {
    "current": "prod",
    "profiles": [
        {"name": "default", "mode": "AK", "access_key_id": "", "region_id": ""},
        {
            "name": "prod",
            "mode": "StsToken",
            "access_key_id": "id-c",
            "access_key_secret": "secret-c",
            "sts_token": "token-c",
            "region_id": "cn-shenzhen",
            "output_format": "json",
            "retry_count": 0,
        },
        {"name": "other", "mode": "EcsRamRole", "ram_role_name": "role"},
    ],
    "meta_path": "",
}


def write(home: Path, ossutil: str | None = None, cli: object = None) -> None:
    if ossutil is not None:
        (home / ".ossutilconfig").write_text(ossutil)
    if cli is not None:
        (home / ".aliyun").mkdir()
        text = cli if isinstance(cli, str) else json.dumps(cli)
        (home / ".aliyun/config.json").write_text(text)


def found(home: Path, name: str | None = None, **environment: str) -> list[Profile]:
    return Settings(environment, home, name).profiles()


def test_ossutil_1(tmp_path: Path) -> None:
    """One section; values hold whatever they hold, and buckets have hosts."""
    write(tmp_path, VERSION_1)
    (profile,) = found(tmp_path)
    assert profile.get("accesskeyid") == "id-1"
    assert profile.get("accesskeysecret") == "secret=1;#"
    assert profile.get("ststoken") == "token-1"
    assert profile.endpoint_of("photos") == "oss-cn-beijing.aliyuncs.com"
    assert profile.endpoint_of("films") == "films.example.com"
    assert profile.endpoint_of("else") == "oss-cn-shanghai.aliyuncs.com"


@pytest.mark.parametrize(
    ("name", "key_id", "region"),
    [
        (None, "id-2", "cn-hangzhou"),
        ("default", "id-2", "cn-hangzhou"),
        ("base", "id-b", "cn-beijing"),
        ("Base", "id-b", "cn-beijing"),
        ("work", "id-b", "cn-beijing"),
    ],
)
def test_ossutil_2(tmp_path: Path, name: str | None, key_id: str, region: str) -> None:
    """Sections, spellings, and a profile that comes from another."""
    write(tmp_path, VERSION_2)
    (profile,) = found(tmp_path, name)
    assert (profile.get("accesskeyid"), profile.get("region")) == (key_id, region)
    assert profile.get("accesskeysecret").startswith("secret-")
    assert bool(profile.get("endpoint")) == (name == "work")


@pytest.mark.parametrize(
    ("name", "environment", "key_id"),
    [
        (None, {}, "id-c"),
        ("prod", {}, "id-c"),
        ("default", {}, ""),
        (None, {"ALIBABA_CLOUD_PROFILE": "other"}, ""),
    ],
)
def test_the_cli(
    tmp_path: Path, name: str | None, environment: dict[str, str], key_id: str
) -> None:
    """The current one, the one that a variable names, or the one that is asked for."""
    write(tmp_path, cli=CLI)
    (profile,) = found(tmp_path, name, **environment)
    assert profile.get("accesskeyid") == key_id
    assert (profile.get("region", "regionid") == "cn-shenzhen") == bool(key_id)


def test_both_files(tmp_path: Path) -> None:
    """Each one's own default in turn; a name in the first that has it."""
    write(tmp_path, VERSION_2, CLI)
    assert [p.get("accesskeyid") for p in found(tmp_path)] == ["id-2", "id-c"]
    assert [p.get("accesskeyid") for p in found(tmp_path, "default")] == ["id-2"]
    assert [p.get("accesskeyid") for p in found(tmp_path, "prod")] == ["id-c"]


def test_no_files(tmp_path: Path) -> None:
    """Then there is nothing; but a name that was given means something."""
    assert found(tmp_path) == []
    with pytest.raises(UsageError, match=r"no profile 'x' in .* there are: none"):
        found(tmp_path, "x")


@pytest.mark.parametrize(
    ("ossutil", "cli", "name", "words"),
    [
        (VERSION_2, CLI, "prdo", "there are: base, default, other, prod, work"),
        ("accessKeyID=1\n", None, None, "line 1: it is no section or key"),
        ("[default]\nwhat\n", None, None, "line 2: it is no section or key"),
        ("[default]\nsource-profile=x\n", None, None, "'x' leads nowhere"),
        ("[profile a]\nsourceProfile=a\n", None, "a", "'a' leads nowhere"),
        (None, "{", None, "it is no configuration"),
        (None, {"profiles": {}}, None, "it is no configuration"),
    ],
)
def test_bad_files(
    tmp_path: Path, ossutil: str | None, cli: object, name: str | None, words: str
) -> None:
    """The file, the place and the fault, and never a value."""
    write(tmp_path, ossutil, cli)
    with pytest.raises(UsageError) as caught:
        found(tmp_path, name)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_bytes(tmp_path: Path) -> None:
    """A file that is no text."""
    (tmp_path / ".ossutilconfig").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="it is not UTF-8 text"):
        found(tmp_path)


def test_no_secret_in_words(tmp_path: Path) -> None:
    """A profile that ends up in a traceback tells nothing."""
    write(tmp_path, VERSION_1)
    (profile,) = found(tmp_path)
    assert "secret=1" not in f"{profile} {profile!r}"
