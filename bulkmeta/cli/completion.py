"""`bulkmeta completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click

from bulkmeta.cli.help import HelpfulCommand

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=HelpfulCommand)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that lets a shell complete commands, options and their values.

    \b
    Examples:
      bulkmeta completion bash > ~/.local/share/bash-completion/completions/bulkmeta
      bulkmeta completion zsh  > "${fpath[1]}/_bulkmeta"
      bulkmeta completion fish > ~/.config/fish/completions/bulkmeta.fish
    """
    from click.shell_completion import get_completion_class

    from bulkmeta.cli.main import bulkmeta
    from bulkmeta.cli.output import print_result

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 click knows all three
    # Only bash's class asks the shell for its version, which need not be there.
    made = found(bulkmeta, {}, "bulkmeta", "_BULKMETA_COMPLETE")
    print_result((made.source_template % made.source_vars()).strip())
