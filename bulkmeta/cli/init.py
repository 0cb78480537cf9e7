"""`bulkmeta init`: a job file to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from bulkmeta.cli.help import HelpfulCommand

EXAMPLE = Path(__file__).with_name("example.toml")


_MEANS = {
    0: "The file is written.",
    2: "No job file can be written as FILE, such as where it exists.",
    4: "The disk is full.",
}


@click.command(cls=HelpfulCommand, exits=(0, 2, 4), means=_MEANS)
@click.argument("file", metavar="[FILE]", default="job.toml")
def init(file: str) -> None:
    """Write an example of a job file, with all that it may say; FILE must not exist.
    Without one it is job.toml.

    \b
    Examples:
      bulkmeta init retag.toml
      bulkmeta plan retag.toml
      bulkmeta apply retag.toml --yes
    """
    from bulkmeta.cli.commands import JOB_SUFFIX
    from bulkmeta.cli.output import tell
    from bulkmeta.errors import UsageError
    from bulkmeta.journal.files import new_text

    if not file.endswith(JOB_SUFFIX):
        raise UsageError(f"{file!r}: a job file is named {JOB_SUFFIX}")
    try:
        with new_text(Path(file), 0o666) as new:
            new.write(EXAMPLE.read_text("utf-8"))
    except FileExistsError as error:
        raise UsageError(f"{file!r} exists; name another file") from error
    except (OSError, ValueError) as error:  # such as of a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot write {file!r}: {why}") from error
    tell(f"wrote     {file}; name your bucket in it, then: bulkmeta plan {file}")
