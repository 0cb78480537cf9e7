"""The `bulkmeta` command: runs a subcommand, turns its end into an exit code."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

import click

from bulkmeta import __version__
from bulkmeta.cli.debugging import is_debugging, switch_debugging, tell_traceback
from bulkmeta.cli.exit_codes import (
    INTERRUPTED,
    LOCKED,
    OK,
    RUN_FATAL,
    THRESHOLD,
    USAGE,
)
from bulkmeta.cli.output import (
    ReaderGoneError,
    complain,
    concealed,
    forget,
    give_up,
    tell,
)
from bulkmeta.cli.outside import Outside
from bulkmeta.cli.silence import silence_told
from bulkmeta.cli.suggest import about_command, about_missing, about_option
from bulkmeta.engine.shutdown import SIGNALS, heeded_signals
from bulkmeta.errors import BulkmetaError, LockedError, ThresholdError, UsageError
from bulkmeta.report.text import plain, shortened

_MOMENT_S: Final = 0.01

COMMANDS: Final = {
    "plan": ("bulkmeta.cli.plan", "Show each object's exact difference; reads only."),
    "apply": ("bulkmeta.cli.apply", "Change every object under a prefix."),
    "resume": ("bulkmeta.cli.resume", "Finish a run that was interrupted."),
    "retry": ("bulkmeta.cli.retry", "Run again what failed."),
    "undo": ("bulkmeta.cli.undo", "Put back what a run changed."),
    "verify": (
        "bulkmeta.cli.verify",
        "Report what is not as a run left it; reads only.",
    ),
    "report": ("bulkmeta.cli.report", "Sum up a run; --html writes a page."),
    "show": ("bulkmeta.cli.show", "Print the metadata of every object; reads only."),
    "shards": ("bulkmeta.cli.shards", "Cut keys into ranges for several hosts."),
    "probe": ("bulkmeta.cli.probe", "Find out what this bucket does on an update."),
    "doctor": ("bulkmeta.cli.doctor", "Look for what stands in the way of a run."),
    "init": ("bulkmeta.cli.init", "Write an example of a job file."),
    "schema": ("bulkmeta.cli.schema", "Print the JSON Schema of job or run files."),
    "completion": ("bulkmeta.cli.completion", "Print a script for a shell's tab key."),
    "emulator": ("bulkmeta.emulator.command", "Serve an embedded OSS on loopback."),
    "demo": ("bulkmeta.cli.demo", "Run the main job on an embedded OSS."),
}


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is named, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(about_command(args[0], ctx))
        return super().resolve_command(ctx, args)


_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=LazyGroup, context_settings=_SETTINGS)
@click.version_option(__version__, message="%(version)s")
def bulkmeta() -> None:
    """Change the metadata of millions of objects in Alibaba Cloud OSS, safely."""


def main() -> None:
    """Run the command line; exits with one of the documented codes."""
    _hold_standard_streams()
    # Python tells such a one of oss2's, not the user's, whenever it compiles oss2.
    warnings.filterwarnings("ignore", ".*invalid escape sequence", SyntaxWarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.unraisablehook = _send_again
    try:
        for number in heeded_signals():  # until a run handles them in its own way
            signal.signal(number, _interrupt)
        try:
            code = run()
        finally:  # how it ended is settled
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
    except KeyboardInterrupt:  # in between
        code = _complain("interrupted", INTERRUPTED)
    sys.exit(code)


class SignalledError(KeyboardInterrupt):
    """A signal asks for the end. Python notes down a plain KeyboardInterrupt that it
    meets in generated code, such as that of a data class, and dies of it at its end,
    even if it was handled: the exit code would be another one."""


def _interrupt(number: int, _frame: object) -> None:
    raise SignalledError(number)


def _send_again(ignored: sys.UnraisableHookArgs) -> None:
    """Have a signal come a moment later that came where Python heeds no error, such as
    while it tidies up behind an import."""
    if isinstance(ignored.exc_value, SignalledError):
        later = threading.Timer(_MOMENT_S, signal.raise_signal, ignored.exc_value.args)
        later.daemon = True
        later.start()
    else:
        sys.__unraisablehook__(ignored)


def _hold_standard_streams() -> None:
    """Let no file be opened in the place of a standard stream that is closed: a stray
    word to stderr would end up in the run file."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def run(args: list[str] | None = None) -> int:
    """The exit code of one command line; errors become one line on stderr."""
    forget()
    outside = Outside()
    main = partial(bulkmeta.main, args, "bulkmeta", standalone_mode=False, obj=outside)
    try:
        with silence_told():
            code = _code_of(main)
        code = _code_of(partial(outside.finish, code))
        return _code_of(partial(outside.print_end, code))
    finally:
        outside.close()
        switch_debugging(on=False)


def _code_of(action: Callable[[], Any]) -> int:
    """The exit code that an action comes to."""
    try:
        code = action()
    except SystemExit as end:  # click's, after completion (0) or on a closed pipe (1)
        return INTERRUPTED if end.code else OK
    except (click.Abort, KeyboardInterrupt, asyncio.CancelledError):
        return _complain("interrupted", INTERRUPTED)
    except (click.ClickException, UsageError) as error:
        return _refuse(error)
    except BulkmetaError as error:
        return _give_up(error)
    except Exception as error:  # noqa: BLE001 whatever it is, nobody else would tell it
        return _be_surprised(error)
    return code if isinstance(code, int) else OK


def _complain(message: str, code: int) -> int:
    complain(shortened(plain(" ".join(concealed(message).split()))))
    return code


def _be_surprised(error: Exception) -> int:
    """Tell an error that nobody thought of."""
    if is_debugging():
        tell_traceback(error)
    if isinstance(error, OSError):  # of help or another text of click's own
        give_up(sys.stdout)
        return _complain(f"cannot write: {error.strerror or error}", RUN_FATAL)
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    hint = "" if is_debugging() else " (--debug shows where it arose)"
    words = f"unexpected {type(error).__name__}: {error}{hint}"
    return _complain(words, RUN_FATAL)


def _give_up(error: BulkmetaError) -> int:
    if isinstance(error, ReaderGoneError):
        return INTERRUPTED
    codes = {LockedError: LOCKED, ThresholdError: THRESHOLD}
    return _complain(str(error), codes.get(type(error), RUN_FATAL))


def _refuse(error: click.ClickException | UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        tell(error.format_message())
        return USAGE
    return _complain(_usage_line(error), USAGE)


def _usage_line(error: click.ClickException | UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        return about_option(error)
    if isinstance(error, click.MissingParameter):
        return about_missing(error)
    if isinstance(error, click.ClickException):
        return _in_words(error.format_message())
    return str(error)


def _in_words(message: str) -> str:
    """What click says of a value that is no number, without its name of the type."""
    for kind, words in {"integer": "whole number", "float": "number"}.items():
        message = message.replace(f"is not a valid {kind} range", f"is no {words}")
    return message
