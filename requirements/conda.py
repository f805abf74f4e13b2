"""Write the conda files of the Azure ML environments from their locks: `python -m requirements.conda`.

Azure ML uploads only the text of a conda file, so every package is listed in the file itself. conda
writes the lines of the pip section into a requirements file; as one of them has hashes, pip demands them of all.
Of the locked hashes the file names those of the wheels for Linux on x86-64, and the source where there is no wheel.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from requirements.locks import HERE, ROOT, locked

# Of conda-forge. A laptop may have another release of 3.11.
PYTHON = "3.11.14"
CONDA_FILES = ROOT / "mlops_code" / "environments"
_GLIBC_MINORS = range(35, 4, -1)  # the base image is Ubuntu 22.04, which has glibc 2.35


def platform_tags() -> frozenset[Tag]:
    """Return the tags of the wheels that CPython 3.11 in the base image accepts."""
    old = ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    platforms = [*(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC_MINORS), *old]
    return frozenset((*cpython_tags((3, 11), platforms=platforms), *compatible_tags((3, 11), "cp311", platforms)))


def installable_hashes(package: dict[str, Any], tags: frozenset[Tag]) -> list[str]:
    """Return the SHA-256 of the wheels with one of the tags, or of the source where no wheel has one.

    package: an entry of `packages` in a pylock.toml.
    """
    wheels = package.get("wheels", [])
    fitting = [wheel for wheel in wheels if parse_wheel_filename(_file_name(wheel))[3] & tags]
    return sorted(file["hashes"]["sha256"] for file in fitting or [package["sdist"]])


def _file_name(wheel: dict[str, Any]) -> str:
    return str(wheel.get("name") or wheel["url"].rpartition("/")[2])


def _files_of(environment: str) -> list[dict[str, Any]]:
    """Ask the registry which files the locked packages have."""
    lock = HERE / f"{environment}.txt"
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "pylock.toml"
        words = ["pip", "compile", "--quiet", "--format", "pylock.toml", "--no-deps", "--python-version", "3.11"]
        subprocess.run(
            [sys.executable, "-m", "uv", *words, "--python-platform", "linux", str(lock), "-o", str(files)],
            check=True,
        )
        packages: list[dict[str, Any]] = tomllib.loads(files.read_text(encoding="utf-8"))["packages"]
    return packages


def _lines(environment: str) -> Iterator[str]:
    pins, tags = locked(environment), platform_tags()
    yield "# Written by `make lock` from the lock file; never edited by hand. See docs/supply_chain.md."
    yield f"name: forecast-{environment}"
    yield "channels:"
    yield "  - conda-forge"
    yield "dependencies:"
    yield f"  - python={PYTHON}"
    yield f"  - pip={pins['pip'].version}"
    yield "  - pip:"
    for package in _files_of(environment):
        pin = pins[package["name"]]
        yield f"      - {pin.name}=={pin.version}"
        for digest in installable_hashes(package, tags):
            yield f"        --hash=sha256:{digest}"


def _demand_installable(text: str) -> None:
    """Let a resolver plan the pip section as conda hands it to pip. Raises: CalledProcessError with its reasons."""
    lines = yaml.safe_load(text)["dependencies"][-1]["pip"]
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "condaenv.requirements.txt"
        requirements.write_text("\n".join(lines), encoding="utf-8")
        words = ["pip", "install", "--quiet", "--dry-run", "--require-hashes", "--python-platform", "linux"]
        subprocess.run(
            [sys.executable, "-m", "uv", *words, "--target", folder, "--requirements", str(requirements)], check=True
        )


def main() -> None:
    """Write both files."""
    for environment in ("training", "scoring"):
        text = "".join(f"{line}\n" for line in _lines(environment))
        _demand_installable(text)
        (CONDA_FILES / f"{environment}.yml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
