"""The ``frameworkctl`` program: finds the command and runs it; heavy imports stay inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from frameworkctl.errors import ConfigError
from frameworkctl.suggestions import did_you_mean


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; mistakes of the operator are one line on stderr and exit status 2."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except ConfigError as e:
        print(f"frameworkctl: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["serve"]:
        # Not through the plugin host: the compute side starts loading before anything else does.
        from frameworkctl.cli.commands.serve import run

        return run(words[1:])
    from frameworkctl.version import VERSION

    if words[:1] in (["--version"], ["-V"]):
        print(f"frameworkctl {VERSION}")
        return 0
    from frameworkctl.cli.commands.builtin import load_commands

    commands, problem = load_commands()
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help({name: entry.spec.help for name, entry in commands.items()}))
        if problem is not None:
            print(f"frameworkctl: {problem}", file=sys.stderr)
        return 0
    if words[0] in commands:
        return commands[words[0]].spec.run(words[1:])
    if problem is not None:
        raise problem  # the command may be that plugin's
    raise ConfigError(f"unknown command {words[0]!r}{did_you_mean(words[0], commands)} (see frameworkctl --help)")


def _help(commands: dict[str, str]) -> str:
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {text}" for name, text in commands.items()]
    return "\n".join(
        [
            "usage: frameworkctl COMMAND [ARGS]",
            "",
            "Serve models behind the OpenAI API; every part is a plugin.",
            "",
            "commands:",
            *lines,
            "",
            "frameworkctl COMMAND --help tells more; frameworkctl --version prints the version.",
        ]
    )
