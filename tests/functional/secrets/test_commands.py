"""No secret in anything that a command tells or keeps, with `--debug` (promise 11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulkmeta.emulator.faults import Fault
from tests.functional.conftest import FIRST, Service
from tests.functional.secrets.conftest import (
    ECHOES,
    EXPIRED,
    KEPT,
    TARGET,
    WAYS,
    Command,
    Ear,
    _answer,
    become,
    sign_as,
)

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

SET = ("--set", "a=1")


@pytest.mark.usefixtures("time_jumps")
@pytest.mark.parametrize("way", WAYS)
def test_a_whole_life(
    oss: EmbeddedOSS,
    ear: Ear,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Planned, applied with failures, cut short, resumed, tried again, verified, shown,
    undone, and a page made of it."""
    service.hardened = True
    become(way, monkeypatch)
    yes = (*SET, "--yes", "--run-file", "run.jsonl")
    ear("plan", TARGET, *SET, "--out", "plan.jsonl")
    oss.faults.add(Fault("reset_after", "CopyObject", "p/01", times=1))
    oss.faults.add(Fault("error", "CopyObject", "p/02", times=1))
    oss.faults.add(Fault("html", "HeadObject", "p/03", times=1))
    oss.faults.add(Fault("error", "CopyObject", "p/04", status=400, code="Odd"))
    cut = Fault("error", "HeadObject", "p/08", status=403, code="InvalidAccessKeyId")
    oss.faults.add(replace(cut, times=1))
    ear("apply", TARGET, *yes, "--concurrency", "1", code=4)
    told = ear("resume", "run.jsonl", code=1)
    assert "CopyObject 'bucket/p/09': 200, " in told
    oss.faults.clear()
    ear("retry", "run.jsonl", "--yes", "--run-file", "again.jsonl")
    ear("verify", "run.jsonl")
    ear("report", "run.jsonl", "--html", "page.html")
    ear("show", TARGET)
    ear("undo", "run.jsonl", "--yes", "--run-file", "undo.jsonl")
    ear("apply", "plan.jsonl", "--yes", "--run-file", "planned.jsonl")
    ear.refuse("metadata-t0ken", "cluster-t0ken")


@pytest.mark.parametrize("version", ["v4", "v1"])
@pytest.mark.parametrize(
    "trouble", ["secret", "token", "key", "expired", "403", "garbage", "closed"]
)
def test_refused(
    oss: EmbeddedOSS,
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    trouble: str,
    version: str,
) -> None:
    """Wrong or expired credentials, and a service that does not answer as it should."""
    sign_as(EXPIRED if trouble == "expired" else FIRST, monkeypatch)
    wrong = {
        "secret": ("OSS_ACCESS_KEY_SECRET", "s3cret-wrong"),
        "token": ("OSS_SESSION_TOKEN", "t0ken-wrong"),
        "key": ("OSS_ACCESS_KEY_ID", "STS.wrong"),
    }
    faults = {
        "403": Fault("error", status=403, code="AccessDenied"),
        "garbage": Fault("html"),
        "closed": Fault("reset_before"),
    }
    if trouble in wrong:
        monkeypatch.setenv(*wrong[trouble])
    if trouble in faults:
        oss.faults.add(faults[trouble])
    flags = ("--retries", "1", "--sign-version", version)
    ear("plan", TARGET, *SET, *flags, code=4)
    yes = ("--yes", "--run-file", "run.jsonl")
    ear("apply", TARGET, *SET, *yes, *flags, code=4)
    ear("show", TARGET, *flags, code=4)
    assert oss.log.requests()
    ear.refuse()


@pytest.mark.parametrize("kind", ECHOES)
def test_what_repeats_the_request(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Callable[[bytes], bytes]], str],
    kind: str,
) -> None:
    """Whatever stands there answers with what it was sent."""
    sign_as(FIRST, monkeypatch)
    monkeypatch.setenv("OSS_ENDPOINT", f"http://{serve(ECHOES[kind])}")
    ear("plan", TARGET, *SET, "--retries", "0", code=4)
    ear("show", TARGET, "--retries", "1", code=4)
    ear.refuse()


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "HTTP_PROXY"])
def test_a_proxy_with_a_password(
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Callable[[bytes], bytes]], str],
    name: str,
) -> None:
    """It refuses, or is not there; its address is told, its password is not."""
    sign_as(FIRST, monkeypatch)
    refusing = serve(lambda sent: _answer(b"407 Proxy Authentication Required", sent))
    scheme = name.partition("_")[0].lower()
    monkeypatch.setenv("OSS_ENDPOINT", f"{scheme}://photos.example")
    for proxy in (refusing, "127.0.0.1:9"):
        monkeypatch.setenv(name, f"http://me:p4ssword@{proxy}")
        told = ear("plan", TARGET, *SET, "--retries", "1", code=4)
        assert f"proxy: http://{proxy};" in told
    ear.refuse()


@pytest.mark.parametrize("way", ["oidc", "ecs", "address"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, '{"Code": "Down", "Message": "s3cret"}'),
        (200, '{"AccessKeySecret": "s3cret-half"}'),
        (200, "<html>t0ken</html>"),
    ],
)
def test_credentials_that_cannot_be_fetched(
    ear: Ear,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    answer: tuple[int, str],
) -> None:
    """What serves them answers with anything else."""
    service.refusal = answer
    become(way, monkeypatch)
    ear("plan", TARGET, *SET, code=4)
    ear.refuse()


@pytest.mark.parametrize(
    "value", ["v4lue", "v4l{ue", "v4l\\ue", "v4l\nue", "v4l  ue", "v4l'\"ue"]
)
def test_what_a_job_file_took_in(
    oss: EmbeddedOSS, ear: Ear, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A variable's value is part of keys, and of what is set; people see its name,
    however it would be quoted."""
    sign_as(KEPT, monkeypatch)
    monkeypatch.setenv("PLACE", value)
    oss.store.put_object("bucket", f"q/{value}/1", body=b"")
    put = "1" if "\n" in value else "${PLACE}"  # no header holds a line break
    Path("job.toml").write_text(
        'environment = ["PLACE"]\n[source]\ntarget = "oss://bucket/q/${PLACE}/"\n'
        f'[change]\nset = {{ a = "{put}" }}\n'
    )
    told = ear("plan", "job.toml")
    assert "HeadObject 'bucket/q/${PLACE}/1': 200, " in told.replace('"', "'")
    assert "v4l" not in told + Path("run.log").read_text()
    assert 'prefix="q/${PLACE}/"' in Path("run.prom").read_text()
    assert "v4l" not in Path("run.prom").read_text()


def test_an_error_nobody_thought_of(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, bulkmeta: Command
) -> None:
    """One line; with `--debug` where it arose, and what was the matter before."""
    sign_as(FIRST, monkeypatch)

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("bulkmeta.engine.viewer.Viewed", fail)
    result = bulkmeta("show", TARGET)
    (line,) = result.err.splitlines()
    assert (result.code, line) == (
        4,
        "bulkmeta: unexpected KeyError: 'surprise' (--debug shows where it arose)",
    )
    told = ear("show", TARGET, code=4)
    assert "Traceback (most recent call last):" in told
    assert "in fail" in told
    assert told.splitlines()[-1] == "bulkmeta: unexpected KeyError: 'surprise'"
    ear.refuse()
