"""How many failures a run puts up with."""

from __future__ import annotations

import pytest

from bulkmeta.errors import UsageError
from bulkmeta.model.outcome import Outcome
from bulkmeta.model.tolerance import (
    LEAST,
    Failures,
    Tolerance,
    parse_tolerance,
    small_share_words,
)

OK = Outcome(seq=1, key="k", status="updated")
SKIPPED = Outcome(seq=1, key="k", status="skipped", reason="gone")


def failed(reason: str = "conflict") -> Outcome:
    return Outcome(seq=1, key="k", status="failed", reason=reason)


def test_what_it_says() -> None:
    """A number, a share, reasons, a row; of one kind the last counts."""
    assert parse_tolerance([]) == Tolerance()
    assert parse_tolerance(
        ["5", "100", "2.5%", "access_denied=1", "conflict=0", "consecutive=50"]
    ) == Tolerance(100, 0.025, {"access_denied": 1, "conflict": 0}, 50)


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5", "x", "%", "101%", "-1%", "nan%", "=1", "a b=1", "kms=",
             "kms=x", "consecutive=", "consecutive=-1", "١", "9" * 5000]
)  # fmt: skip
def test_what_it_cannot_say(text: str) -> None:
    """One line, with an example."""
    with pytest.raises(UsageError, match=r"write it as 100, 5%, access_denied=1"):
        parse_tolerance([text])


def test_a_reason_that_there_is_not() -> None:
    """A slip of the pen would be a limit that is never reached."""
    with pytest.raises(UsageError, match="nothing fails as 'acces_denied'"):
        parse_tolerance(["acces_denied=1"])


def counted(tolerance: Tolerance, *outcomes: Outcome) -> list[str | None]:
    failures = Failures(tolerance)
    return [failures.count(outcome) for outcome in outcomes]


def test_none_is_too_many_by_default() -> None:
    """A run goes on unless it is told otherwise."""
    assert set(counted(Tolerance(), *[failed()] * 10_000)) == {None}


def test_in_all() -> None:
    """One more than was put up with; none at all, if that is wanted."""
    assert counted(Tolerance(1), failed(), OK, failed()) == [
        None, None, "more than 1 object failed (--max-failures 1)"
    ]  # fmt: skip
    assert counted(Tolerance(0), OK, SKIPPED, failed())[-1] is not None


def test_a_share() -> None:
    """Looked at once there are enough objects to speak of one."""
    early = counted(Tolerance(share=0.05), *[failed()] * (LEAST - 1))
    assert set(early) == {None}
    assert counted(Tolerance(share=0.05), *[failed()] * LEAST)[-1] == (
        "more than 5% failed (--max-failures 5%)"
    )
    just = [OK] * 95 + [failed()] * 5
    assert set(counted(Tolerance(share=0.05), *just)) == {None}
    assert counted(Tolerance(share=0.05), *just, failed())[-1] is not None


@pytest.mark.parametrize(
    ("text", "objects", "failed", "told"),
    [
        ("5%", 79, 75, True),
        ("5%", LEAST - 1, 5, True),
        ("0%", 1, 1, True),
        ("5%", LEAST, 75, False),
        ("50%", 10, 5, False),
        ("5%", 0, 0, False),
        ("5", 79, 75, False),
    ],
)
def test_a_share_of_too_few(text: str, objects: int, failed: int, told: bool) -> None:
    """It was passed, and ended nothing: that is told."""
    words = small_share_words(parse_tolerance([text]), objects, failed)
    assert words is None or words.startswith(f"more than {text} failed; --max-failures")
    assert (words is not None) is told


def test_by_reason() -> None:
    """Only failures for that reason count."""
    most = Tolerance(reasons={"access_denied": 1})
    outcomes = [failed("conflict")] * 5 + [failed("access_denied")] * 2
    found = counted(most, *outcomes)
    assert found[:-1] == [None] * 6
    assert (
        found[-1]
        == "more than 1 object failed as access_denied (--max-failures access_denied=1)"
    )


def test_in_a_row() -> None:
    """Anything else in between begins the row anew."""
    most = Tolerance(consecutive=2)
    assert set(counted(most, *[failed(), failed(), OK] * 5)) == {None}
    assert set(counted(most, *[failed(), failed(), SKIPPED] * 5)) == {None}
    assert counted(most, *[failed()] * 3)[-1] == (
        "more than 2 objects failed one after another (--max-failures consecutive=2)"
    )
