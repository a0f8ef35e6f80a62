"""``frameworkctl run-batch``: the requests of a file, answered into another."""

from __future__ import annotations

import argparse
import asyncio
import difflib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from frameworkctl import logs
from frameworkctl.cli.arguments import Parser
from frameworkctl.cli.option_fields import fields_of, plugin_field
from frameworkctl.cli.parser import build, load_options
from frameworkctl.cli.sources import with_dashes
from frameworkctl.config import ModelOptions, ServerOptions
from frameworkctl.errors import ConfigError
from frameworkctl.server.engines.supervisor import NurseryProcess

from .serve import load_plugins, log_level, loop_factory, option_specs

if TYPE_CHECKING:
    from frameworkctl.offline.batch.files import OutputFile

PROG = "frameworkctl run-batch"
STANDARD = "-"
OWN = ("--input-file", "--output-file", "--max-concurrency")
NO_SERVER = ("host", "port", "api_key", "enable_request_id_headers", "shutdown_timeout")  # nothing listens
TERMINATED = 128 + signal.SIGTERM
ABOUT = """\
Answer every request of a file in OpenAI's batch format. Each answer is appended as soon as it is there, in any order;
called again after an interruption, it goes on with what is missing. Any path that serve answers POST at will do."""


def run(argv: list[str]) -> int:
    """Run the batch; return 0 if all requests were answered without errors, else 1."""
    if "-h" in argv or "--help" in argv:
        _print_help(argv)
        return 0
    args, rest = _own_options().parse_known_args(with_dashes(argv))
    _check(args, rest)
    nursery = NurseryProcess(log_level(rest))
    try:
        host = load_plugins(rest)
        options = load_options(rest, option_specs(host))
        logs.configure(options.server.log_level)
        if options.server.log_level == "info":  # what became of each request is in the output
            logging.getLogger("frameworkctl.requests").setLevel("WARNING")
        options.server.api_key = []
        from frameworkctl.offline.batch.files import OutputFile, count_lines, open_input
        from frameworkctl.offline.batch.runner import run_batch

        with open_input(args.input_file) as lines, OutputFile(args.output_file) as output:
            total = None if args.input_file == STANDARD else count_lines(args.input_file)
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                work = run_batch(options, host, nursery, lines, output, total, args.max_concurrency)
                return runner.run(_to_the_end(work, output, args.output_file))
    finally:
        nursery.close()


async def _to_the_end(work: Coroutine[Any, Any, None], output: OutputFile, name: str) -> int:
    """Ctrl-C (by way of asyncio) and SIGTERM end it in good order."""
    task = asyncio.ensure_future(work)
    terminated = False

    def on_sigterm() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_sigterm)
    try:
        await task
    except asyncio.CancelledError:
        hint = "" if name == STANDARD else "; the same command goes on with the rest"
        print(f"frameworkctl: interrupted after {output.written} answers{hint}", file=sys.stderr)
        if not terminated:
            raise
        return TERMINATED
    if output.failed:
        print(f"frameworkctl: {output.failed} of the answers are errors", file=sys.stderr)
    return 1 if output.failed else 0


def _own_options() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, add_help=False)
    group = parser.add_argument_group("files")
    group.add_argument("-i", "--input-file", metavar="FILE", required=True, help="requests, one a line; -: stdin")
    group.add_argument("-o", "--output-file", metavar="FILE", required=True, help="answers, one a line; -: stdout")
    group.add_argument(
        "--max-concurrency", metavar="N", type=_positive, help="requests at once; default: twice --max-num-seqs"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def _check(args: argparse.Namespace, rest: list[str]) -> None:
    """Raise ConfigError for files that cannot be meant, and for options of a server that listens."""
    source, target = args.input_file, args.output_file
    for flag, name in (("-i", source), ("-o", target)):
        if name.startswith(("http://", "https://")):
            raise ConfigError(f"{flag}: {name!r} is no file; use a program that fetches or sends it, and - for a pipe")
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise ConfigError(f"-o: {target!r} is the input")
    for flag in (word.partition("=")[0] for word in rest if word.startswith("--")):
        if flag.removeprefix("--").replace("-", "_") in NO_SERVER:
            raise ConfigError(f"{flag} is for serve; run-batch listens nowhere")
        if near := difflib.get_close_matches(flag, OWN, 1, 0.85):  # serve's options would suggest only their own
            raise ConfigError(f"unknown option {flag!r}; did you mean {near[0]!r}?")


def _print_help(argv: list[str]) -> None:
    try:
        extra = [plugin_field(s) for s in option_specs(load_plugins(argv))]
    except ConfigError as e:
        print(f"frameworkctl: {e}", file=sys.stderr)
        extra = []
    shown = [f for f in fields_of(ServerOptions) if f.name not in NO_SERVER]
    parser = build([*shown, *fields_of(ModelOptions), *extra], PROG, ABOUT, [_own_options()])
    print(parser.format_help())
