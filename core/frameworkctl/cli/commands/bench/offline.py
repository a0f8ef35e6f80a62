"""``frameworkctl bench latency`` and ``throughput``: their options, and the engine they measure."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from frameworkctl.cli.commands.serve import load_plugins, option_specs
from frameworkctl.cli.option_fields import convert, fields_of, plugin_field
from frameworkctl.cli.parser import build, parse_known
from frameworkctl.config import ModelOptions, ServerOptions
from frameworkctl.errors import ConfigError

from .options import count, fresh_seed, parser, split, write_json

if TYPE_CHECKING:
    from frameworkctl.offline.llm import LLM

ENGINE = "A model and options of a model as of `frameworkctl serve` may follow."


def run_latency(argv: list[str]) -> int:
    made = _parser("latency", input_len=32, output_len=128, repeat=5, warmups=1)
    made.add_argument("--batch-size", type=count(1), default=8, metavar="N", help="sequences (default: %(default)s)")
    args, rest = split(made, argv)
    from frameworkctl.bench.in_process import latency

    with _engine("latency", rest) as llm:
        found = latency(
            llm,
            batch=args.batch_size,
            input_len=args.input_len,
            output_len=args.output_len,
            warmups=args.num_iters_warmup,
            repeat=args.num_iters,
            seed=_seed(args),
        )
    step = "-" if found.decode_step is None else f"{found.decode_step:.2f} ms"
    print(
        f"batch of {found.batch_size}, {found.input_len} tokens in, {found.output_len} out; medians of {args.num_iters}"
    )
    print(f"prefill      {found.prefill:.1f} ms\ndecode step  {step}\ntotal        {found.total:.1f} ms")
    print(f"output       {found.output_throughput:.1f} tokens/s")
    write_json(args.json, found)
    return 0


def run_throughput(argv: list[str]) -> int:
    made = _parser("throughput", input_len=128, output_len=128, repeat=1, warmups=8)
    made.add_argument(
        "--num-prompts", "--requests", type=count(1), default=64, metavar="N", help="prompts (default: %(default)s)"
    )
    args, rest = split(made, argv)
    from frameworkctl.bench.in_process import throughput

    with _engine("throughput", rest) as llm:
        found = throughput(
            llm,
            requests=args.num_prompts,
            input_len=args.input_len,
            output_len=args.output_len,
            warmups=args.num_iters_warmup,
            repeat=args.num_iters,
            seed=_seed(args),
        )
    print(f"{found.requests} prompts, {found.input_len} tokens in, {found.output_len} out: {found.seconds:.2f} s")
    print(f"requests  {found.request_throughput:.2f} /s\noutput    {found.output_throughput:.1f} tokens/s")
    print(f"total     {found.total_token_throughput:.1f} tokens/s")
    write_json(args.json, found)
    return 0


def _parser(kind: str, *, input_len: int, output_len: int, repeat: int, warmups: int) -> argparse.ArgumentParser:
    made = parser(kind, engine=ENGINE)
    what = "batches" if kind == "latency" else "requests"
    for flag, default, least, text in (
        ("--input-len", input_len, 1, "tokens of a prompt"),
        ("--output-len", output_len, 1, "tokens of an answer"),
        ("--num-iters", repeat, 1, "measurements"),
        ("--num-iters-warmup", warmups, 0, f"{what} before that are not counted"),
    ):
        made.add_argument(flag, type=count(least), default=default, metavar="N", help=f"{text} (default: {default})")
    made.add_argument("--prompt-seed", type=count(0), metavar="N", help="of the prompts; default: another each time")
    return made


def _seed(args: argparse.Namespace) -> int:
    return fresh_seed() if args.prompt_seed is None else int(args.prompt_seed)


def _engine(kind: str, rest: list[str]) -> LLM:
    """Raise ConfigError for options of no engine, and where the model cannot be used."""
    from frameworkctl.offline.errors import InvalidOption
    from frameworkctl.offline.llm import LLM

    host = load_plugins(rest)
    fields = [*fields_of(ServerOptions), *fields_of(ModelOptions), *(plugin_field(s) for s in option_specs(host))]
    given = parse_known(build(fields, f"frameworkctl bench {kind}"), rest)
    models: list[str] = [*given.pop("model", []), *([given.pop("source")] if "source" in given else [])]
    if len(models) > 1 or "config" in given:
        raise ConfigError(f"bench {kind} measures one model, named on the command line")
    options: dict[str, Any] = {f.name: convert(f, given[f.name]) for f in fields if f.name in given}
    try:
        return LLM(models[0].partition("=")[2] or models[0] if models else None, **options)
    except InvalidOption as e:
        raise ConfigError(str(e)) from None
