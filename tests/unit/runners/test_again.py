"""The command that tries again what failed in an undo or of a plan."""

from __future__ import annotations

import subprocess

import pytest

from bulkmeta.cli.types import Share
from bulkmeta.model.job import JobSpec, Parent, Target
from bulkmeta.model.selection import Selection
from bulkmeta.runners.again import another_way, shell_word


@pytest.mark.parametrize(
    "text",
    ["p/*", "it's", "", "-x", "a  b", "$HOME `x` !", "a\tb\n", "\x1b[1m\x7f", "\\ \\n",
     "photos/é 日本", "it's\\\n\u200b"],
)  # fmt: skip
def test_words_for_a_shell(text: str) -> None:
    """It reads just that text, which stands on one line, with no more than one space
    together."""
    word = shell_word(text)
    assert word.isprintable()
    assert "  " not in word
    order = ["bash", "-c", f"printf %s {word}"]
    said = subprocess.run(order, stdout=subprocess.PIPE, check=True)  # noqa: S603
    assert said.stdout.decode() == text


@pytest.mark.parametrize("written", ["1%", "0.07%", "12.5%", "33.3333333%", "1e-05%"])
def test_a_share(written: str) -> None:
    """Is told as it was given."""
    share = Share().convert(written, None, None)
    job = JobSpec(
        Target("bucket"),
        parent=Parent("run.jsonl", "", "", 0),
        takes="former",
        select=Selection(sample=share),
    )
    told = f"bulkmeta undo run.jsonl --sample {written}"
    assert another_way(job) == told
