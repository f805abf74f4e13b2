"""Environment variables that act while a process starts or imports, so that setting them later is too late."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Read by the interpreter, the dynamic linker and native libraries, where no trace of the imports sees it.
_PREFIXES = (
    "PYTHON", "LC_", "LD_", "GLIBC_", "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTOBLAS_", "BLIS_",
    "NUMEXPR_", "VECLIB_", "ARROW_", "OPENSSL_",
)  # fmt: skip
# Read by Python code at import, now or in another version of the packages.
_NAMES = (
    "HOME", "LANG", "LANGUAGE", "TZ", "TZDIR", "TMPDIR", "TEMP", "TMP", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "AZUREML_CURRENT_CLOUD", "HBI_WORKSPACE_JOB",
)  # fmt: skip
# Each program's own: path and standard streams are made anew, and nothing is looked for on the PATH during an import.
OWN = ("PYTHONPATH", "PYTHONUNBUFFERED", "PATH")


def acts_at_start(name: str) -> bool:
    """Whether a program with another value of this variable needs a process of its own."""
    return name not in OWN and (name in _NAMES or name.startswith(_PREFIXES))


def parent_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What a parent is started with for programs with this environment: no token, nothing but what acts at start."""
    return {"PATH": os.defpath} | {name: value for name, value in environment.items() if acts_at_start(name)}
