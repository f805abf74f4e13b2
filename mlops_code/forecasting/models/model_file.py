"""The model file: JSON parameters beside a manifest with their hash. No pickle is ever written or loaded.

The hash is compared before the model is opened, and reading is strict: what this version did not write, it refuses.
"""

from __future__ import annotations

import hashlib
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from forecasting.calendars import DAILY, Calendar, calendar_of
from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import UNREADABLE, reason, strict_json, to_json
from forecasting.known import Known, described, known_of
from forecasting.limits import FIRST_DAY, LAST_DAY, MAX_HORIZON, MAX_SERIES
from forecasting.models.catalog import FAMILIES, demand_sound, make_recipe
from forecasting.models.recipe import Array, FittedModel, HalfWidth, Intervals, Recipe

FORMAT_VERSION = 2
MODEL_FILE, MANIFEST_FILE = "model.json", "manifest.json"
MODEL_KEYS = {
    "format_version", "problem", "recipe", "season", "horizon", "cutoff",
    "series", "lower", "intervals", "parameters",
}  # fmt: skip
CALENDAR_KEY = "frequency"  # left out where it is a day, as before there were others
KNOWN_KEY = "known"  # left out where nothing is known in advance
MANIFEST_KEYS = {"format_version", "model_sha256", "recipe", "cutoff", "problem", "horizon", "season"}
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_BYTES = 128 * 1024 * 1024  # a model of one series has kilobytes, a ridge for 20,000 series some 40 MB


@dataclass(frozen=True)
class StoredModel:
    """A verified model: the fitted model, its problem and horizon (days), its hash, and the manifest as read."""

    model: FittedModel
    problem: str
    horizon: int
    sha256: str
    manifest: Mapping[str, Any]


def write_model(
    folder: Path, model: FittedModel, problem: str, horizon: int, extra: Mapping[str, Any], *, prefix: str = ""
) -> str:
    """Write model.json and manifest.json and return the sha256 of the former. extra: joins the manifest.

    prefix: what both names begin with. The same model gives the same bytes. Raises: ModelFileError where a parameter
    is not finite.
    """
    if any(not np.isfinite(array).all() for array in model.arrays.values()):
        raise ModelFileError(
            f"{model.recipe.label} was fitted to parameters that are not finite; nothing was written."
        )
    document = {
        "format_version": FORMAT_VERSION,
        "problem": problem,
        "recipe": recipe_document(model.recipe),
        "season": model.season,
        "horizon": horizon,
        "cutoff": model.cutoff.isoformat(),
        "series": list(model.keys),
        "lower": model.lower,
        "intervals": _interval_document(model.intervals),
        "parameters": {name: array.tolist() for name, array in model.arrays.items()},
    }
    told = {} if model.calendar == DAILY else {CALENDAR_KEY: model.calendar.frequency}
    known = {} if model.known is None else {KNOWN_KEY: _known_document(model.known)}
    content = to_json({**document, **told, **known})
    sha256 = hashlib.sha256(content).hexdigest()
    shared = {name: document[name] for name in ("format_version", "problem", "season", "horizon", "cutoff")}
    manifest = {**extra, **shared, **told, "recipe": model.recipe.label, "model_sha256": sha256}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}{MODEL_FILE}").write_bytes(content)
    (folder / f"{prefix}{MANIFEST_FILE}").write_bytes(to_json(manifest))
    return sha256


def recipe_document(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON."""
    parts = [recipe_document(part) for part in recipe.parts]
    return {"name": recipe.name, "parameters": dict(recipe.parameters), "parts": parts}


def _known_document(known: Known) -> dict[str, Any]:
    return {**described(known), "values": known.values.tolist() if known.columns else None}


def _interval_document(intervals: Intervals | None) -> dict[str, Any] | None:
    if intervals is None:
        return None
    radii = [list(width) if len(width) > 1 else width[0] for width in intervals.half_widths]
    return {"levels": intervals.levels, "radii": radii, "scales": intervals.scales.tolist()}


def read_model(folder: Path, prefix: str = "") -> StoredModel:
    """Read a model whose bytes match its manifest. prefix: what its file names begin with.

    Raises: UsageError (a file is not there), ModelFileError (hash, format version, recipe, shape or number).
    """
    manifest, path = read_manifest(folder, prefix), folder / f"{prefix}{MODEL_FILE}"
    content = _bytes_of(path, MAX_BYTES)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != manifest["model_sha256"]:
        raise ModelFileError(
            f"{path} has sha256 {sha256}, its manifest says {manifest['model_sha256']}: the file is "
            "damaged or was changed after training. It was not opened. Train again or fetch it again."
        )
    try:
        document = strict_json(content)
        _demand_keys(document, MODEL_KEYS | ({CALENDAR_KEY, KNOWN_KEY} & set(document)), exactly=True)
        stored = StoredModel(_fitted(document), document["problem"], document["horizon"], sha256, manifest)
    except UNREADABLE as mistake:
        raise ModelFileError(f"{path} is not a model of format {FORMAT_VERSION}: {reason(mistake)}.") from None
    _demand_agreement(folder, stored)
    return stored


def read_manifest(folder: Path, prefix: str = "") -> dict[str, Any]:
    """Read and check manifest.json, which says what model.json must hash to."""
    path = folder / f"{prefix}{MANIFEST_FILE}"
    try:
        manifest = strict_json(_bytes_of(path, MAX_MANIFEST_BYTES))
        _demand_keys(manifest, MANIFEST_KEYS, exactly=False)
    except UNREADABLE as mistake:
        raise ModelFileError(f"{path} is not a manifest: {reason(mistake)}.") from None
    return manifest


def _bytes_of(path: Path, most: int) -> bytes:
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name a folder written by train.py or register.py.")
    if path.is_symlink():
        raise ModelFileError(f"{path} is a link to another file: not a file of ours. It was not opened.")
    if path.stat().st_size > most:
        raise ModelFileError(f"{path} has {path.stat().st_size} bytes, more than {most}: not a file of ours.")
    return path.read_bytes()


def _demand_keys(document: dict[str, Any], keys: set[str], *, exactly: bool) -> None:
    missing, unknown = keys - set(document), set(document) - keys
    if missing or (exactly and unknown):
        raise ValueError(f"keys missing {sorted(missing)}, unknown {sorted(unknown) if exactly else []}")
    version = document["format_version"]
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(f"format version {version!r}, this code reads {FORMAT_VERSION}")


def _fitted(document: dict[str, Any]) -> FittedModel:
    recipe, calendar = _recipe(document["recipe"]), calendar_of(document.get(CALENDAR_KEY, DAILY.frequency))
    for name in ("season", "horizon"):
        if type(document[name]) is not int or not 1 <= document[name] <= MAX_HORIZON:
            raise ValueError(
                f"{name} {document[name]!r}, expected a whole number of {calendar.units} from 1 to {MAX_HORIZON}"
            )
    keys, lower = document["series"], document["lower"]
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_SERIES or len(set(keys)) != len(keys):
        raise ValueError(f"series, expected 1 to {MAX_SERIES} different names")
    if any(not isinstance(key, str) or not key for key in keys):
        raise ValueError("series, expected names that are texts")
    "".join(keys).encode()  # half a surrogate pair could be in no answer
    shapes = FAMILIES[recipe.name].shapes(recipe, document["season"], len(keys), calendar)
    if set(shapes) != set(document["parameters"]):
        raise ValueError(f"parameters {sorted(document['parameters'])}, expected {sorted(shapes)}")
    model = FittedModel(
        recipe,
        document["season"],
        _cutoff(document["cutoff"], calendar),
        tuple(keys),
        {name: _array(name, document["parameters"][name], shape) for name, shape in shapes.items()},
        None if lower is None else _number(lower),
        _intervals(document["intervals"], len(keys), len(calendar.part_names)),
        calendar,
        _known(document.get(KNOWN_KEY), len(keys)),
    )
    demand_sound(model)
    return model


def _cutoff(text: str, calendar: Calendar) -> date:
    """The last date of the history; the dates that are forecast from it must exist."""
    cutoff = date.fromisoformat(text)
    if not FIRST_DAY <= cutoff <= LAST_DAY or not calendar.holds(cutoff):
        raise ValueError(f"cutoff {cutoff}, expected {calendar.expected} from {FIRST_DAY} to {LAST_DAY}")
    return cutoff


def _recipe(described: dict[str, Any]) -> Recipe:
    parameters = {name: _number(value) for name, value in described["parameters"].items()}
    return make_recipe(described["name"], parameters, [_recipe(part) for part in described["parts"]])


def _intervals(described: dict[str, Any] | None, series: int, places: int) -> Intervals | None:
    if described is None:
        return None
    levels = tuple(_number(level) for level in described["levels"])
    half_widths = tuple(_half_width(half_width, places) for half_width in described["radii"])
    scales = _array("scales", described["scales"], (series,))
    if (
        len(levels) != len(half_widths)
        or any(not 0 < level < 1 for level in levels)
        or min(*chain(*half_widths), *scales, 0.0) < 0
    ):
        raise ValueError("intervals, expected a half-width of at least 0 for each level between 0 and 1")
    return Intervals(levels, half_widths, scales)


def _half_width(described: object, places: int) -> HalfWidth:
    """One number for the whole season, as in every model of earlier versions, or one for each place in it."""
    if not isinstance(described, list):
        return (_number(described),)
    return tuple(_array("radii", described, (places,)).tolist())


def _known(document: dict[str, Any] | None, series: int) -> Known | None:
    if document is None:
        return None
    steps, columns = document["past"] + document["ahead"], len(document["columns"])
    values = (
        _array("known", document["values"], (series, steps, columns)) if columns else np.zeros((series, steps, 0))
    )
    return known_of(document, values)


def _array(name: str, numbers: object, shape: tuple[int | None, ...]) -> Array:
    array = np.array(numbers, dtype=object)
    if len(array.shape) != len(shape) or any(
        wanted not in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    values = array.ravel().tolist()
    if not set(map(type, values)) <= {int, float}:
        values = [_number(value) for value in values]  # names the first one that is no number
    made = np.array(values, dtype=np.float64)
    if not np.isfinite(made).all():
        raise ValueError(f"{made[~np.isfinite(made)][0]} is not a finite number")
    return made.reshape(array.shape)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{reprlib.repr(value)} is not a finite number")
    return float(value)


def _demand_agreement(folder: Path, stored: StoredModel) -> None:
    """The manifest describes the model to people and to the registry: it must not tell another story."""
    model = stored.model
    said = {name: stored.manifest[name] for name in ("recipe", "cutoff", "problem", "horizon", "season")}
    said[CALENDAR_KEY] = stored.manifest.get(CALENDAR_KEY, DAILY.frequency)
    found = {
        "recipe": model.recipe.label,
        "cutoff": model.cutoff.isoformat(),
        "problem": stored.problem,
        "horizon": stored.horizon,
        "season": model.season,
        CALENDAR_KEY: model.calendar.frequency,
    }
    if said != found:
        differing = ", ".join(name for name in found if said[name] != found[name])
        raise ModelFileError(f"{folder}: manifest and model file differ in {differing}. Train again.")
