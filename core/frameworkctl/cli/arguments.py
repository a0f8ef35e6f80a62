"""argparse as the program wants it: a mistake is a ConfigError, hence one line and exit status 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from frameworkctl.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Raises ConfigError where argparse would print its usage and exit; flags are not abbreviated."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")
