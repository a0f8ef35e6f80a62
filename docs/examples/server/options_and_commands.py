"""An option of ``serve`` (flag, config key, environment variable) and a command of the program."""

from __future__ import annotations

from frameworkctl.interfaces import CommandSpec, OptionSpec, Register, hookimpl


@hookimpl
def register_options(register: Register[OptionSpec]) -> None:
    register(OptionSpec(name="greeting", type=str, default="hello", help="what the message of the day says"))


def greet(argv: list[str]) -> int:
    print("hello", *argv)
    return 0


@hookimpl
def register_commands(register: Register[CommandSpec]) -> None:
    register(CommandSpec(name="greet", help="say hello", run=greet))
