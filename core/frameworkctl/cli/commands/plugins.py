"""``frameworkctl plugins [--json] [--plugins LIST]``."""

from __future__ import annotations

import sys

from frameworkctl.cli.arguments import Parser
from frameworkctl.cli.sources import peek
from frameworkctl.errors import ConfigError
from frameworkctl.plugins import PluginHost, discover, select
from frameworkctl.plugins.discovery import stale_builtins
from frameworkctl.plugins.report import as_json, as_table
from frameworkctl.plugins.selection import split


def run(argv: list[str]) -> int:
    """Load everything that is on, print the report; exit status 1 when something failed."""
    parser = Parser(prog="frameworkctl plugins", description="Show every plugin and what became of it.")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--plugins", action="append", help="the list that serve would get")
    parser.add_argument("--config", help="the config file that serve would get")
    args = parser.parse_args(argv)
    host = PluginHost.from_selection(select(discover(), split(peek(argv, "plugins"))))
    failed = False
    try:
        host.load_everything()
    except ConfigError as e:
        print(f"frameworkctl: {e}", file=sys.stderr)
        failed = True
    print(as_json(host.records) if args.json else as_table(host.records))
    stale = stale_builtins()
    if stale:
        print(f"frameworkctl: {stale}", file=sys.stderr)
    return 1 if failed or any(r.state == "failed" for r in host.records) else 0
