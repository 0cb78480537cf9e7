"""The examples for schedulers: each is of the form its scheduler takes, and the command
line in it does what it should."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bulkmeta.emulator.server import EmbeddedOSS

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
ANALYZE = shutil.which("systemd-analyze")
FOLDERS = (
    "/etc/bulkmeta",
    "/var/lib/bulkmeta",
    "/var/lib/prometheus/node-exporter",
    "/var/log/bulkmeta",
)


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text()


def systemd_words() -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", text_of("bulkmeta.service"), re.MULTILINE)
    return shlex.split(line)


def crontab_words() -> list[str]:
    *_, entry = text_of("crontab").splitlines()
    assert re.match(r"(\S+ ){5} cd /var/lib/bulkmeta && ", entry)
    assert "%" not in entry
    return shlex.split(entry.partition(" && exec ")[2])


def kubernetes_words(name: str = "cronjob.yaml") -> list[str]:
    text = text_of(name)
    lists = re.findall(r"^ +(?:command|args): (\[[^]]*\])", text, re.MULTILINE)
    return [word for words in map(json.loads, lists) for word in words]


@pytest.mark.parametrize("words", [systemd_words, crontab_words, kubernetes_words])
def test_a_night(
    oss: EmbeddedOSS,
    bulkmeta: Callable[..., Any],
    tmp_path: Path,
    words: Callable[[], list[str]],
) -> None:
    """In the folders that the example has, twice; nothing is left for the second."""
    oss.store.create_bucket("photos")
    oss.store.put_object("photos", "2026/a", body=b"", last_modified=1.7e9)
    for folder in FOLDERS:
        (tmp_path / folder[1:]).mkdir(parents=True)
    shutil.copy(EXAMPLES / "retag.toml", tmp_path / "etc/bulkmeta")
    command, *args = words()
    assert Path(command).name == "bulkmeta"
    for folder in FOLDERS:
        args = [arg.replace(folder, f"{tmp_path}{folder}") for arg in args]
    for _ in range(2):
        result = bulkmeta(*args)
        assert result.code == 0, result.err
    changed = oss.store.get_object("photos", "2026/a")
    assert changed.meta == {"project": "atlas"}
    assert [name for name, _ in oss.log.operations()].count("CopyObject") == 1
    assert (tmp_path / "var/lib/bulkmeta/retag/state.json").exists()
    for option, count in (("--log-file", 4), ("--metrics-file", 1)):
        if option in args and (name := args[args.index(option) + 1]) != "-":
            assert Path(name).read_text().count("\n") >= count


def test_pods_with_an_index(
    oss: EmbeddedOSS, bulkmeta: Callable[..., Any], tmp_path: Path
) -> None:
    """Each pod does its part, and all of them do all of it once."""
    oss.store.create_bucket("photos")
    keys = [f"2026/{number:02}" for number in range(24)]
    for key in keys:
        oss.store.put_object("photos", key, body=b"", last_modified=1.7e9)
    home = tmp_path / "etc/bulkmeta"
    home.mkdir(parents=True)
    shutil.copy(EXAMPLES / "retag.toml", home)
    text = text_of("indexed-job.yaml")
    (cut,) = re.findall(r"^# +bulkmeta (shards .*)$", text, re.MULTILINE)
    (completions,) = re.findall(r"^  completions: (\d+)$", text, re.MULTILINE)
    *words, name = shlex.split(cut)
    assert words[words.index("--into") + 1] == completions
    assert bulkmeta(*words, str(home / name)).code == 0
    _, *args = kubernetes_words("indexed-job.yaml")
    for index in range(int(completions)):
        pod = [arg.replace("$(JOB_COMPLETION_INDEX)", str(index)) for arg in args]
        done = bulkmeta(*[arg.replace("/etc/bulkmeta", str(home)) for arg in pod])
        assert done.code == 0, done.err
    copied = [key for name, key in oss.log.operations() if name == "CopyObject"]
    assert sorted(copied) == keys


@pytest.mark.skipif(not ANALYZE, reason="no systemd-analyze here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    """Every line of both means something; only the program is elsewhere."""
    assert ANALYZE
    service = text_of("bulkmeta.service").replace(
        "/usr/local/bin/bulkmeta", "/bin/true"
    )
    (tmp_path / "bulkmeta.service").write_text(service)
    shutil.copy(EXAMPLES / "bulkmeta.timer", tmp_path)
    units = [str(tmp_path / f"bulkmeta.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(  # noqa: S603 found above
        [ANALYZE, "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "bulkmeta" in line]
    assert (done.returncode, ours) == (0, [])


def test_lines_of_the_cron_job() -> None:
    """Where each stands by its indentation, since nothing here reads YAML."""
    text = text_of("cronjob.yaml")
    assert "\t" not in text
    lines = [line for line in text.splitlines() if line.strip()[:1] not in {"#", ""}]
    indents = [len(line) - len(line.lstrip()) for line in lines]
    assert all(indent % 2 == 0 for indent in indents)
    for indent, line in (
        (0, "kind: CronJob"),
        (2, "concurrencyPolicy: Forbid"),
        (6, "backoffLimit: 0"),
        (10, "restartPolicy: Never"),
        (10, "terminationGracePeriodSeconds: 120"),
        (16, "- secretRef:"),
        (16, "- { name: runs, mountPath: /var/lib/bulkmeta }"),
        (12, "- name: runs"),
    ):
        assert f"{' ' * indent}{line}" in lines
    assert "claimName: bulkmeta" in text


@pytest.mark.parametrize(
    "name", ["bulkmeta.service", "bulkmeta.timer", "crontab", "cronjob.yaml"]
)
def test_the_page_leads_to_them(name: str) -> None:
    assert f"(examples/{name})" in (EXAMPLES.parent / "cron.md").read_text()


def test_the_page_on_processes_leads_to_the_job() -> None:
    """Where parts are explained."""
    page = (EXAMPLES.parent / "processes.md").read_text()
    assert "(examples/indexed-job.yaml)" in page
