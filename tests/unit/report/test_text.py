"""Messages for one line of a terminal."""

from __future__ import annotations

import time

import pytest

from bulkmeta.report.text import folded, shortened

LONG = "x" * 10_000
CUT = "x" * 80 + "…"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (f"rate {LONG!r} is none", f"rate '{CUT}' (10,000 characters) is none"),
        (f'it is "{LONG}"; end', f'it is "{CUT}" (10,000 characters); end'),
        (f"no option --{LONG}; see", f"no option --{CUT[2:]} (10,002 characters); see"),
        (f"two ({LONG} y)", f"two ({CUT[1:]} (10,001 characters) y)"),
        (f"{'a b ' * 50!r}: no", f"'{'a b ' * 20}…' (200 characters): no"),
        (f'"{LONG}\'s": no', f'"{CUT}" (10,002 characters): no'),
    ],
)
def test_long_values(message: str, told: str) -> None:
    """As much of each as tells which it is, and how long it is."""
    assert shortened(message) == told


@pytest.mark.parametrize(
    "message",
    [
        "",
        "''",
        f"cannot read '/{'d/' * 79}f': why",
        f"'p/' is OSS's; {'all words of ours stay ' * 20}, as they are for 'q/'",
        f"the cloud's library; {'all words stay ' * 20} on the users' side, 'a'",
        f"there are {', '.join(map(repr, ['one', 'two'] * 50))}",
        rf"'it\'s' and {'all words stay ' * 20} it's",
    ],
)
def test_what_stays(message: str) -> None:
    """Paths and keys of a usual length, and whatever is no value."""
    assert shortened(message) == message


@pytest.mark.parametrize("found", [",", "\\'", "it's '", '"'])
def test_how_long_it_takes(found: str) -> None:
    """As long as the message is, not its square."""
    before_s = time.process_time()
    shortened(found * 30_000)
    folded(f"{found} " * 10_000, 80)
    assert time.process_time() - before_s < 1.0


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        ("warning   one two", 80, ["warning   one two"]),
        ("warning   one two three " + "x" * 40, 50,
         ["warning   one two three", " " * 10 + "x" * 40]),
        ("warning   " + "x" * 60, 40, ["warning", " " * 10 + "x" * 60]),
        ("warning   照片 " + "x " * 40, 40, ["warning   照片 " + "x " * 40]),
        (" " * 12 + "p/1: a b", 40, [" " * 12 + "p/1: a b"]),
        (" " * 12 + "p/1: " + "one " * 8 + "more", 40,
         [" " * 12 + "p/1: one one one one one one", " " * 12 + "one one more"]),
        ("warning   " + "x " * 40, 39, ["warning   " + "x " * 40]),
        ("a --long-option " * 3, 44,
         ["a --long-option a --long-option a", " " * 10 + "--long-option"]),
    ],
)  # fmt: skip
def test_folding(line: str, width: int, lines: list[str]) -> None:
    """Between words, below the text; no option or path is torn."""
    assert folded(line, width).split("\n") == lines


@pytest.mark.parametrize(
    "whole",
    [
        "'a b c d'",
        '"a b c d"',
        "`a b c d`",
        "(x='a b \\' c d')",
        "'a b'\"'\"' c d'",
        "bulkmeta resume x.jsonl",
        "(bulkmeta undo 'x y.jsonl' --only-failed-verify --allow-rewritten)",
        r"""bulkmeta undo x --include 'a \' --exclude 'it'"'"'s -- b' --limit 3""",
        r"bulkmeta undo x --regex $'a\'\x20 b' --sample 1%",
        "'" + "x " * 40 + "'",
    ],
)
@pytest.mark.parametrize("before", range(25, 41))
def test_what_folding_leaves_whole(whole: str, before: int) -> None:
    """What is in quotes and commands to paste, wherever the line would be broken; what
    is wider than a line sticks out."""
    line = f"{'w' * before} {whole} {'the others stay ' * 3}"
    assert any(whole in found for found in folded(line, 40).split("\n"))


def test_folding_at_apostrophes() -> None:
    """They quote nothing, nor does a quote that nothing closes."""
    line = "the users' own words of the run's file don't stand in \"quotes at all here"
    assert folded(line, 40).split("\n") == [
        "the users' own words of the run's file",
        "          don't stand in \"quotes at all",
        "          here",
    ]
