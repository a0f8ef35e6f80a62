"""Parts that chat and complete share: their options, reading what a person or a pipe says, showing what comes back."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

from frameworkctl.cli.arguments import Parser

from .client import Client, ServerError

BLOCK = '"""'
# Escape sequences in an answer would be orders to the terminal.
_HARMLESS = {c: "\ufffd" for c in (*range(32), *range(127, 160)) if chr(c) not in "\n\t"}


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that both commands have."""
    made = Parser(prog=f"frameworkctl {name}", description=description)
    made.add_argument("--url", default="http://127.0.0.1:8000", help="the server (default: %(default)s)")
    made.add_argument(
        "--api-key",
        default=os.environ.get("FRAMEWORKCTL_API_KEY") or os.environ.get("OPENAI_API_KEY"),
        metavar="KEY",
        help="default: FRAMEWORKCTL_API_KEY or OPENAI_API_KEY of the environment",
    )
    made.add_argument("--model", "--model-name", metavar="NAME", help="default: the server's first that generates")
    made.add_argument("--max-tokens", type=int, metavar="N", help="longest answer in tokens")
    made.add_argument("--temperature", type=float, metavar="T", help="0: always the likeliest token")
    made.add_argument("-q", "--quick", metavar="TEXT", help="ask this, print the answer and end")
    return made


def connect(args: argparse.Namespace) -> tuple[Client, dict[str, Any]]:
    """Return the server, and the fields that every request to it carries. Raises ConfigError."""
    client = Client(args.url, args.api_key)
    fields: dict[str, Any] = {"model": args.model or client.models()[0]}
    if args.max_tokens is not None:
        fields["max_tokens"] = args.max_tokens
    if args.temperature is not None:
        fields["temperature"] = args.temperature
    for stream in (sys.stdin, sys.stdout):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    return client, fields


def is_interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def piped_turns() -> Iterator[str]:
    """Yield each line that is not blank."""
    for line in sys.stdin:
        if line.strip():
            yield line.rstrip("\r\n")


def typed_turns() -> Iterator[str]:
    """Yield what is typed until Ctrl-D; a backslash at the end goes on in the next line, three quotes until three
    quotes.

    Ctrl-C begins the turn anew.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  arrow keys, and what was typed before
    while True:
        try:
            turn = _read_turn()
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("  (Ctrl-D or /exit ends)")
            continue
        if turn.strip():
            yield turn


def _read_turn() -> str:
    line = input("> ")
    if line.strip().startswith(BLOCK):
        text = line.strip().removeprefix(BLOCK)
        while not text.rstrip().endswith(BLOCK):
            text += "\n" + input("... ")
        return text.rstrip().removesuffix(BLOCK).strip("\n")
    while line.endswith("\\"):
        line = line[:-1] + "\n" + input("... ")
    return line


def answer(pieces: Generator[str], *, stoppable: bool) -> str:
    """Show an answer as it comes, and return it. Where it is ``stoppable``, Ctrl-C ends it: what there is counts."""
    said: list[str] = []
    filtered = sys.stdout.isatty()
    try:
        with contextlib.closing(pieces):
            for piece in pieces:
                said.append(piece)
                sys.stdout.write(piece.translate(_HARMLESS) if filtered else piece)
                sys.stdout.flush()
    except KeyboardInterrupt:
        if not stoppable:
            raise
        sys.stdout.write(" [stopped]")
    except ServerError:
        if said:
            print(flush=True)
        raise
    print(flush=True)
    return "".join(said)


def run_turns(quick: str | None, greeting: str, take: Callable[[str], None]) -> int:
    """Return ``take`` the one text of ``--quick``, or every turn. Returns the exit status.

    At a terminal a failure is a line and the conversation goes on; else it is raised.
    """
    if quick is not None:
        take(quick)
        return 0
    if not is_interactive():
        for turn in piped_turns():
            take(turn)
        return 0
    print(greeting)
    for turn in typed_turns():
        try:
            take(turn)
        except ServerError as e:
            print(f"frameworkctl: {str(e).translate(_HARMLESS)}", file=sys.stderr)
        except EOFError:  # /exit
            break
    return 0
