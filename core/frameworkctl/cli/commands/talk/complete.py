"""``frameworkctl complete``: texts continued by a running server, each on its own."""

from __future__ import annotations

from collections.abc import Generator

from .terminal import answer, connect, is_interactive, parser, run_turns


def run(argv: list[str]) -> int:
    """Complete until the end of the input; returns the exit status."""
    made = parser("complete", "Continue texts. Piped input: each line is a text.")
    args = made.parse_args(argv)
    client, fields = connect(args)

    def pieces(text: str) -> Generator[str]:
        for event in client.stream("/v1/completions", {**fields, "prompt": text}):
            for choice in event.get("choices", ()):
                yield choice.get("text") or ""

    typed = args.quick is None and is_interactive()

    def take(text: str) -> None:
        if typed and text.strip() in ("/exit", "/quit"):
            raise EOFError
        answer(pieces(text), stoppable=typed)

    greeting = (
        f"{fields['model']} at {client.url} continues each text; \\ at the end of a line or"
        ' """ for several lines; Ctrl-C stops, Ctrl-D or /exit ends.'
    )
    return run_turns(args.quick, greeting, take)
