"""``frameworkctl models list`` and ``models check MODEL``: what runs natively, and whether a model runs right."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from frameworkctl.cli.sources import peek
from frameworkctl.errors import ConfigError
from frameworkctl.interfaces.model import FALLBACK
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.discovery import MODELS
from frameworkctl.plugins.selection import split

CHECK = "frameworkctl.testing.check"  # imports torch, so it is a program and not a module of ours


def run(argv: list[str]) -> int:
    """Exit status 0, or 1 when ``check`` finds that the model does not run or does not agree with transformers."""
    parser = argparse.ArgumentParser(prog="frameworkctl models", description="What runs here, and does it run right?")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the architectures that have native code, and whose it is")
    check = commands.add_parser("check", help="load a model and hold some logits against transformers'")
    check.add_argument("model", help="path, Hub id or bundled name of the model")
    check.add_argument("--model-impl", default="auto", help="auto, native, or a fallback's name (default: auto)")
    check.add_argument("--dtype", default="auto", help="as of serve (default: auto)")
    check.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    for command in (listing, check):
        command.add_argument("--json", action="store_true", help="as JSON")
        command.add_argument("--plugins", action="append", help="the list that serve would get")
        command.add_argument("--config", help="the config file that serve would get")
    args = parser.parse_args(argv)
    words = split(peek(argv, "plugins"))
    return _list(words, as_json=args.json) if args.command == "list" else _check(args, words)


def _list(words: list[str], *, as_json: bool) -> int:
    host = PluginHost.from_selection(select(discover(), words))
    host.load_eager()
    for name in host.names(MODELS):
        host.load_named(MODELS, name)
    rows = [_row(name, registered.plugin) for name, registered in sorted(host.registry.models.items())]
    native = [r for r in rows if not r["name"].startswith(FALLBACK)]
    fallbacks = [{**r, "name": r["name"].removeprefix(FALLBACK)} for r in rows if r["name"].startswith(FALLBACK)]
    if as_json:
        print(json.dumps({"native": native, "fallbacks": fallbacks}, indent=2))
        return 0
    width = max(len(r["name"]) for r in rows)
    print("\n".join(_line(r, width) for r in native))
    if fallbacks:
        print("\nFor other architectures, and for these with --model-impl NAME:\n")
        print("\n".join(_line(r, width) for r in fallbacks))
    return 0


def _row(name: str, plugin: Any) -> dict[str, str]:
    origin = {"distribution": plugin.distribution or "", "version": plugin.version or ""}
    return {"name": name, "plugin": plugin.value, **origin}


def _line(row: Mapping[str, str], width: int) -> str:
    return f"{row['name']:<{width}}  {row['distribution']} {row['version']}  {row['plugin']}".rstrip()


def _check(args: argparse.Namespace, words: list[str]) -> int:
    given = {name: getattr(args, name) for name in ("model", "model_impl", "dtype", "device")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", CHECK],
        input=json.dumps({**given, "plugins": words}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigError(f"the check ended with status {done.returncode}:\n{done.stderr[-4000:]}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if args.json:
        print(json.dumps(report, indent=2))
    elif report["error"] is not None:
        print(f"{args.model} does not run: {report['error']}", file=sys.stderr)
    else:
        print("\n".join(f"{name:<14} {text}" for name, text in _texts(report)))
    return 0 if report["ok"] else 1


def _texts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a person reads of a report, line by line."""
    cache, compared = report["cache"], report["comparison"]
    per_token = ", ".join(f"{size:,} in {dtype}" for dtype, size in cache["bytes_per_token"].items())
    extra = [f"; {w['layers']} layers keep only the last {w['window']} tokens" for w in cache["windows"]]
    if cache["state_bytes"]:
        extra.append(f"; and {cache['state_bytes']:,} per sequence, whatever its length")
    lines = [
        ("architecture", report["architecture"]),
        ("runs", f"{report['implementation']}, by {report['plugin']}"),
        ("tasks", ", ".join(report["tasks"])),
        ("dtype", f"{report['dtype']} (stored: {report['stored_dtype']}) on {report['device']} ({report['backend']})"),
        ("parameters", f"{report['parameters']:,}"),
        ("context", f"{report['max_model_len']:,} tokens"),
        ("KV cache", f"bytes per token: {per_token}{''.join(extra)}"),
    ]
    if compared["reason"] is not None:
        return [*lines, ("transformers", f"not compared: {compared['reason']}")]
    what, each = ("state", "tokens' states") if compared["states"] else ("logit", "greedy tokens")
    agree = f"{compared['agreeing']} of {compared['tokens']} {each} agree"
    difference = f"largest {what} difference {compared['difference']:.2g} ({what}s up to {compared['largest']:.3g})"
    return [*lines, ("transformers", f"{'ok' if report['ok'] else 'DIFFERS'}: {difference}, {agree}")]
