"""The arrows between source roots and between the rooms of core, read from the import statements."""

from __future__ import annotations

import sys

import pytest
from support.plugged.source_tree import PACKAGES, Import, imports, modules

OURS = tuple(PACKAGES.values())
STDLIB = frozenset(sys.stdlib_module_names)
ROOMS = (
    "cli",
    "offline",
    "server",
    "text",
    "checkpoints",
    "engine",
    "scheduling",
    "execution",
    "layers",
    "interfaces",
    "plugins",
    "testing",
    "structured",
    "pooling",
    "workers",
    "bench",
)
FILES = (
    "hookspecs",
    "config",
    "params",
    "errors",
    "logs",
    "metrics",
    "suggestions",
    "cross_origin",
    "limits",
    "answer_start",
    "version",
)
BASE = {"errors", "params", "config", "logs", "suggestions", "cross_origin", "limits", "answer_start", "version"}
MAY_IMPORT = {
    # What runs, over what it runs on, over what plugins see. "" is the package itself (its version).
    "__main__": {"cli"},
    "cli": {"bench", "offline", "server", "engine", "plugins", "interfaces", "", *BASE},
    "bench": {"offline", "", *BASE},
    "offline": {"server", "engine", "plugins", "interfaces", *BASE},
    "server": {"text", "checkpoints", "pooling", "engine", "workers", "plugins", "interfaces", "", *BASE},
    "text": {"checkpoints", "interfaces", *BASE},
    "checkpoints": {"interfaces", *BASE},
    "engine": {"execution", "scheduling", "plugins", "interfaces", *BASE},
    "workers": {"engine", "plugins", "interfaces", *BASE},  # of the engine, how messages are framed
    "execution": {"scheduling", "layers", "plugins", "interfaces", *BASE},
    "scheduling": {"interfaces", *BASE},
    # nobody imports it but tests
    "testing": {"execution", "scheduling", "text", "checkpoints", "pooling", "plugins", "interfaces", *BASE},
    "layers": {"interfaces"},
    "structured": {"interfaces"},
    "pooling": {"plugins", "interfaces", *BASE},
    "plugins": {
        "hookspecs",
        "interfaces",
        "errors",
        "config",
        "suggestions",
        "version",
    },  # config: names that plugin options may not take
    "interfaces": {"errors", "params", "limits", "version"},
    "hookspecs": {"interfaces"},
    "config": {"interfaces", "errors", "cross_origin", "limits"},
    "cross_origin": {"errors"},
    "params": {"errors", "limits"},
    "limits": {"errors"},
    "version": set(),
    "errors": set(),
    "answer_start": set(),
    "logs": set(),
    "suggestions": set(),
    "metrics": {"errors"},
    "": {"version"},
}
MAY_IMPORT_OUTSIDE_CORE = {
    "frameworkctl_endpoints": ({"frameworkctl.interfaces"}, {"msgspec", "numpy"}),
    "frameworkctl_models": (
        {"frameworkctl.interfaces", "frameworkctl.layers"},
        {"msgspec", "torch", "numpy", "transformers"},
    ),
    "frameworkctl_kernels": (set(), {"torch", "triton", "numpy", "pluggy"}),
}
ROOT_OF = {package: root for root, package in PACKAGES.items()}


def room(module: str) -> str:
    """``frameworkctl.server.http.app`` -> ``server``."""
    return module.split(".")[1] if "." in module else ""


def target_room(found: Import) -> str:
    """The room an import reaches into; a name of the package itself is no room."""
    name = room(found.target)
    return name if name in (*ROOMS, *FILES, "__main__") else ""


def listed(offenders: list[Import]) -> str:
    return "\n".join(map(str, offenders))


def test_there_is_something_to_look_at() -> None:
    assert len(imports()) > 300
    assert any(i.typing_only for i in imports())
    assert {room(m) for m in modules("core")} <= set(MAY_IMPORT)
    assert set(ROOMS) <= {room(m) for m in modules("core")}


def test_core_names_no_plugin() -> None:
    """Not even for type checkers, not even ours: what core needs of them it finds through entry points."""
    strangers = ("frameworkctl_models", "frameworkctl_endpoints", "frameworkctl_demo")
    assert not (bad := [i for i in imports("core") if i.within(*strangers)]), listed(bad)
    others = [i for i in imports("core") if i.target.startswith("frameworkctl_")]
    assert not (bad := [i for i in others if not i.within("frameworkctl_kernels.protocol")]), listed(bad)


@pytest.mark.parametrize("package", MAY_IMPORT_OUTSIDE_CORE)
def test_what_a_root_may_import(package: str) -> None:
    ours, theirs = MAY_IMPORT_OUTSIDE_CORE[package]
    found = imports(ROOT_OF[package])
    assert found
    bad = [
        i for i in found if not (i.within(package, *ours) or i.target.partition(".")[0] in STDLIB or i.within(*theirs))
    ]
    assert not bad, listed(bad)


def test_endpoints_know_nothing_of_the_engine() -> None:
    bad = [i for i in imports("builtin_endpoints") if i.within("frameworkctl.interfaces.engine")]
    assert not bad, listed(bad)


@pytest.mark.parametrize("name", [r for r in MAY_IMPORT if r])
def test_arrows_between_rooms_run_downward(name: str) -> None:
    """Imports for type checkers may look up; running code may not."""
    bad = [
        i
        for i in imports("core")
        if room(i.module) == name
        and i.within("frameworkctl")
        and not i.typing_only
        and target_room(i) not in MAY_IMPORT[name] | {name}
    ]
    assert not bad, listed(bad)


def test_the_map_of_rooms_has_no_cycle() -> None:
    done: set[str] = set()
    while left := set(MAY_IMPORT) - done:
        free = {r for r in left if MAY_IMPORT[r] <= done}
        assert free, f"a cycle among {sorted(left)}"
        done |= free


def test_layers_see_only_what_model_plugins_see() -> None:
    found = [i for i in imports("core") if room(i.module) == "layers" and i.target.startswith("frameworkctl")]
    bad = [
        i
        for i in found
        if not i.within("frameworkctl.layers", "frameworkctl.interfaces.engine", "frameworkctl_kernels.protocol")
    ]
    assert found
    assert not bad, listed(bad)


def test_only_one_module_of_the_interfaces_knows_torch() -> None:
    found = [i for i in imports("core") if room(i.module) == "interfaces" and i.within("torch") and not i.typing_only]
    assert {i.module for i in found} == {"frameworkctl.interfaces.engine"}


def test_litestar_stays_in_the_server() -> None:
    bad = [i for i in imports() if i.within("litestar", "uvicorn") and room(i.module) != "server"]
    assert not bad, listed(bad)


def test_nobody_unpickles() -> None:
    """Messages are msgpack, checkpoints safetensors; what a pickle says is code."""
    bad = [i for i in imports() if i.within("pickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing")]
    assert not bad, listed(bad)
