"""``frameworkctl chat``: a conversation with a running server."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from .client import Client, ServerError
from .terminal import answer, connect, is_interactive, parser, run_turns

HELP = """\
/clear         forget the conversation
/system TEXT   what the model is told about its part; without TEXT nothing
/exit          end, like Ctrl-D
A line that ends in \\ goes on in the next; \"\"\" begins and ends a text of several lines. Ctrl-C stops an answer."""


class Conversation:
    """Conversation so far. When it is ``typed``, there are commands, and Ctrl-C stops an answer."""

    def __init__(self, client: Client, fields: dict[str, Any], system: str | None, *, typed: bool) -> None:
        self.client, self.fields, self.system, self.typed = client, fields, system, typed
        self.messages: list[dict[str, str]] = []

    def take(self, turn: str) -> None:
        """Run a command or ask a question. Raises ServerError; EOFError for ``/exit``."""
        if self.typed and turn.startswith("/") and "\n" not in turn:
            self._command(turn)
        else:
            self._say(turn)

    def _say(self, text: str) -> None:
        """Ask, and show the answer. A turn that fails leaves no trace."""
        asked = [*self.messages, {"role": "user", "content": text}]
        system = [{"role": "system", "content": self.system}] if self.system else []
        said = answer(self._pieces([*system, *asked]), stoppable=self.typed)
        if said:
            self.messages = [*asked, {"role": "assistant", "content": said}]

    def _pieces(self, messages: list[dict[str, str]]) -> Generator[str]:
        for event in self.client.stream("/v1/chat/completions", {**self.fields, "messages": messages}):
            for choice in event.get("choices", ()):
                yield choice.get("delta", {}).get("content") or ""

    def _command(self, line: str) -> None:
        word, _, rest = line.strip().partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "/clear": self._clear,
            "/system": self._set_system,
            "/exit": _end,
            "/quit": _end,
            "/help": lambda _: print(HELP),
        }
        if word not in commands:
            raise ServerError(f"{word} is no command; /help lists them")
        commands[word](rest.strip())

    def _clear(self, _: str) -> None:
        self.messages = []

    def _set_system(self, text: str) -> None:
        self.system = text or None


def _end(_: str) -> None:
    raise EOFError


def run(argv: list[str]) -> int:
    """Talk until the end of the input; returns the exit status."""
    made = parser("chat", "Talk with a running server. Piped input: each line is a turn.")
    made.add_argument("--system-prompt", metavar="TEXT", help="what the model is told before the conversation")
    args = made.parse_args(argv)
    client, fields = connect(args)
    typed = args.quick is None and is_interactive()
    conversation = Conversation(client, fields, args.system_prompt, typed=typed)
    greeting = (
        f"{fields['model']} at {client.url}. /help tells what can be typed; \\ at the end of a line or"
        ' """ for several lines; Ctrl-C stops an answer, Ctrl-D ends.'
    )
    return run_turns(args.quick, greeting, conversation.take)
