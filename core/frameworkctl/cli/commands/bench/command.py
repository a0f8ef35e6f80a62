"""``frameworkctl bench``: which measurement; starts."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Iterator

from frameworkctl.errors import ConfigError
from frameworkctl.suggestions import did_you_mean

from .options import KINDS, count, parser, split, write_json


def run(argv: list[str]) -> int:
    """Exit status 0; 1 where nothing that was sent was answered."""
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, KINDS))
        lines = [f"  {name:<{width}}  {text}" for name, text in KINDS.items()]
        print("\n".join(["usage: frameworkctl bench KIND [ARGS]", "", *lines, "", "Each has a --help of its own."]))
        return 0
    kind, rest = argv[0], argv[1:]
    if kind not in KINDS:
        raise ConfigError(f"bench: {kind!r} is not one of {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    if kind == "serve":
        from .serve import run as run_kind
    elif kind == "startup":
        run_kind = _startup
    else:
        from .offline import run_latency, run_throughput

        run_kind = run_latency if kind == "latency" else run_throughput
    with _ended_by_sigterm():
        return run_kind(rest)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM unwinds the stack, as Ctrl-C does, so that a server which was started for a measurement is stopped."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _startup(argv: list[str]) -> int:
    made = parser("startup", engine="A model and options of `frameworkctl serve` may follow.")
    made.add_argument("--num-iters", type=count(1), default=5, metavar="N", help="starts (default: %(default)s)")
    made.add_argument(
        "--num-iters-warmup",
        type=count(0),
        default=1,
        metavar="N",
        help="starts before, which bring the files into memory (default: %(default)s)",
    )
    made.add_argument(
        "--command",
        metavar="TEXT",
        help="start this instead of our server: 'vllm serve {model} --port {port}'; then only a model may follow",
    )
    args, rest = split(made, argv)
    if args.command is not None and len(rest) > 1:
        raise ConfigError("--command: options of that server belong into the command")
    from frameworkctl.bench.startup import measure_starts

    def tell(seconds: float, measured: bool) -> None:
        print(f"{seconds:.3f} s{'' if measured else ' (not counted)'}", file=sys.stderr)

    starts = asyncio.run(measure_starts(rest, args.command, args.num_iters, args.num_iters_warmup, tell))
    least, most = min(starts.first_token), max(starts.first_token)
    print(f"first token after {starts.median:.3f} s (median of {len(starts.first_token)}, {least:.3f} to {most:.3f})")
    write_json(args.json, starts)
    return 0
