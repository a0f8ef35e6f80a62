"""``frameworkctl bench serve``: its options, and what becomes of its results."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from frameworkctl.cli.commands.serve import loop_factory
from frameworkctl.errors import ConfigError

from .options import count, fresh_seed, json_object, parser, split, write_json

if TYPE_CHECKING:
    from frameworkctl.bench.results import Report

PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
NOT_FOR_SERVE = ("--host", "--port")


def run(argv: list[str]) -> int:
    """Run the measurement; return 1 if no request was answered."""
    made = _parser()
    args, rest = split(made, argv)
    _check(args, rest)
    from frameworkctl.bench.report.canvas import canvas
    from frameworkctl.bench.report.chart import draw
    from frameworkctl.bench.report.table import table
    from frameworkctl.bench.results import Report

    if args.chart is not None:
        canvas(args.chart, 1, 1)  # before the work, not after it
    others = [_read(path, Report) for path in args.compare]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        report = runner.run(_measure(args, rest))
    print(table(report))
    write_json(args.json, report)
    if args.chart is not None:
        try:
            draw(args.chart, [report, *others])
        except OSError as e:
            raise ConfigError(f"--chart: cannot write {str(args.chart)!r}: {e.strerror}") from e
    return 0 if any(level.completed for level in report.levels) else 1


def _parser() -> argparse.ArgumentParser:
    made = parser("serve", engine="Without --url, a model and options of `frameworkctl serve` may follow.")
    key = os.environ.get("FRAMEWORKCTL_API_KEY") or os.environ.get("OPENAI_API_KEY")
    add = made.add_argument_group("server").add_argument
    add("--url", "--base-url", help="measure this server; default: one of ours, started for it")
    add("--model", metavar="NAME", help="name in requests; default: the server's first")
    add("--api-key", metavar="KEY", default=key, help="default: FRAMEWORKCTL_API_KEY or OPENAI_API_KEY")
    add("--endpoint", choices=[*PATHS, *PATHS.values()], default="completions", help="default: completions")
    add("--extra-body", type=json_object, default={}, metavar="JSON", help="more fields of every request")
    add = made.add_argument_group("load").add_argument
    add(
        "--concurrency",
        "--max-concurrency",
        type=_list(count(1)),
        metavar="N,N",
        default=(),
        help="clients that each wait for their answer; several are measured in turn (default: 1,8,32)",
    )
    add("--rate", "--request-rate", type=_list(_rate), metavar="X,X", default=(), help="requests a second instead")
    add(
        "--requests",
        "--num-prompts",
        type=count(1),
        default=0,
        metavar="N",
        help="of each measurement (default: 4 for each client, 8 at least; 30 seconds' at a rate)",
    )
    add("--repeat", type=count(1), default=1, metavar="N", help="measure all so often (default: %(default)s)")
    add("--num-warmups", type=count(0), metavar="N", help="short requests before; default: one per client")
    add("--timeout", type=_rate, default=600.0, metavar="S", help="seconds a request may take (default: %(default)g)")
    add = made.add_argument_group("lengths in tokens").add_argument
    add("--input-len", type=count(1), default=128, metavar="N", help="prompts (default: %(default)s)")
    add("--output-len", type=count(1), default=128, metavar="N", help="answers (default: %(default)s)")
    add("--shared-prefix-len", type=count(0), default=0, metavar="N", help="before the prompts, the same for all")
    add("--token-ids", type=_ids, metavar="LO:HI", help="make prompts of these; default: of what the server tokenizes")
    add("--seed", type=count(0), metavar="N", help="of the prompts; default: another each time")
    add = made.add_argument_group("results").add_argument
    add("--chart", type=Path, metavar="FILE", help="draw a chart: .svg, or .png with the extra `charts`")
    add("--compare", type=Path, nargs="+", default=[], metavar="JSON", help="earlier results, drawn beside")
    return made


def _check(args: argparse.Namespace, rest: Sequence[str]) -> None:
    if args.concurrency and args.rate:
        raise ConfigError("--concurrency and --rate are two ways to say how much is sent: use one of them")
    if args.url is not None and rest:
        raise ConfigError(f"{rest[0]!r} is neither an option of bench serve, nor of a server that runs already")
    for word in (word.partition("=")[0] for word in rest):
        if word in NOT_FOR_SERVE:
            raise ConfigError(f"{word}: the server that is started for the measurement listens where it likes")


async def _measure(args: argparse.Namespace, rest: list[str]) -> Report:
    from frameworkctl.bench.load import Level
    from frameworkctl.bench.own_server import own_server
    from frameworkctl.bench.serving import Plan, measure
    from frameworkctl.bench.workload import Workload

    levels = [Level(rate=rate) for rate in args.rate] or [Level(concurrency=n) for n in args.concurrency or (1, 8, 32)]
    load = Workload(
        input_len=args.input_len,
        output_len=args.output_len,
        shared_prefix_len=args.shared_prefix_len,
        seed=fresh_seed() if args.seed is None else args.seed,
    )
    plan = Plan(
        url=args.url or "",
        levels=tuple(dict.fromkeys(levels)),
        load=load,
        requests=args.requests,
        repeat=args.repeat,
        warmups=args.num_warmups,
        path=PATHS.get(args.endpoint, args.endpoint),
        model=args.model,
        api_key=args.api_key,
        ids=args.token_ids,
        extra=args.extra_body,
        timeout=args.timeout,
    )
    if args.url is not None:
        return await measure(plan, show=True)
    # There the model is what to serve; its name is whatever the server gives it.
    given = [*rest, *([] if args.model is None else ["--model", args.model])]
    async with own_server(given) as url:
        return await measure(msgspec.structs.replace(plan, url=url, model=None, api_key=None), show=True)


def _read(path: Path, kind: type[Report]) -> Report:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as e:
        raise ConfigError(f"--compare: cannot read {str(path)!r}: {e.strerror}") from e
    except msgspec.DecodeError as e:
        raise ConfigError(f"--compare: {str(path)!r} was not written by bench serve --json: {e}") from e


def _list(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(dict.fromkeys(read(word) for word in text.split(",") if word))


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return value


def _ids(text: str) -> range:
    low, _, high = text.partition(":")
    if not (low.isdigit() and high.isdigit() and int(low) < int(high)):
        raise argparse.ArgumentTypeError(f"must be LO:HI with LO below HI, got {text!r}")
    return range(int(low), int(high))
