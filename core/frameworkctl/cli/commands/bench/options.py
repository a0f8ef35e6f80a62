"""Parts that all kinds of ``frameworkctl bench`` share: options and their values, results in files."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from frameworkctl.cli.arguments import Parser
from frameworkctl.cli.sources import with_dashes
from frameworkctl.errors import ConfigError

KINDS = {
    "serve": "load on a server, ours or any other's: times and throughput by number of clients or rate",
    "latency": "one batch of a fixed shape, in process: prefill and decode step",
    "throughput": "many prompts at once, in process: tokens per second",
    "startup": "from the command to the first streamed token",
}


def parser(kind: str, *, engine: str) -> argparse.ArgumentParser:
    """Return the parser; ``engine`` decides about options that are not its own."""
    made = Parser(prog=f"frameworkctl bench {kind}", description=KINDS[kind].capitalize() + ".", epilog=engine)
    made.add_argument("--json", "--output-json", metavar="FILE", type=Path, help="write the figures to this file")
    return made


def split(made: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Own options, and what is left for an engine."""
    return made.parse_known_args(with_dashes(argv))


def count(least: int) -> Callable[[str], int]:
    """Whole numbers from ``least`` on."""

    def read(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, got {text!r}")
        return int(text)

    return read


def fresh_seed() -> int:
    """Another each time, so that a server's prefix cache has seen none of the prompts."""
    return int.from_bytes(os.urandom(4), "little")


def write_json(path: Path | None, value: Any) -> None:
    if path is not None:
        try:
            path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
        except OSError as e:
            raise ConfigError(f"--json: cannot write {str(path)!r}: {e.strerror}") from e


def json_object(text: str) -> dict[str, Any]:
    """Parse the value of an option that takes an object."""
    try:
        value = json.loads(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"is not JSON: {e}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value
