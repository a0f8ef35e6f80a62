"""The wheel carries every tracked file of the four packages, and nothing else."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.plugged.source_tree import PACKAGES, ROOT, pyproject, tracked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy of the tracked files, so that what lies about in a working tree does not count."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in tracked():
        if name.split("/")[0] not in ("tests", "plugins", "docs"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(copy / "out"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (copy / "out").glob("*.whl")
    assert path.name.endswith("-py3-none-any.whl")
    return zipfile.ZipFile(path)


def test_files(wheel: zipfile.ZipFile) -> None:
    inside = {n for n in wheel.namelist() if ".dist-info/" not in n}
    expected = {str(Path(n).relative_to(root)) for root in PACKAGES for n in tracked(root)}
    assert sorted(expected - inside) == [], "missing from the wheel"
    assert sorted(inside - expected) == [], "in the wheel and not tracked"
    assert {"frameworkctl/py.typed", "frameworkctl/server/docs.html"} <= inside


def test_metadata(wheel: zipfile.ZipFile) -> None:
    [metadata] = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
    said = email.message_from_bytes(wheel.read(metadata))
    project = pyproject()["project"]
    assert (said["Name"], said["Version"]) == (project["name"], project["version"])
    assert set(said.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    entries = wheel.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    for group, members in project["entry-points"].items():
        assert f"[{group}]" in entries
        assert all(f"{name} = {value}" in entries for name, value in members.items())
    assert any(n.endswith("licenses/LICENSE") for n in wheel.namelist())


def test_it_runs_from_elsewhere(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked and first on the path, far from the repository: the program finds its plugins and its files."""
    wheel.extractall(tmp_path / "site")
    code = (
        "import sys\n"
        f"sys.path[:] = [p for p in sys.path if not p.startswith({str(ROOT)!r})]\n"
        f"sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "from frameworkctl.cli import main\n"
        "from importlib import resources\n"
        "status = main(['plugins'])\n"
        "assert resources.files('frameworkctl.server').joinpath('docs.html').is_file()\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert str(tmp_path / "site" / "frameworkctl_endpoints") in done.stdout
    assert str(ROOT) not in done.stdout.replace(str(ROOT / "plugins"), "")
