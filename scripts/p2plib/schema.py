# SPDX-License-Identifier: GPL-2.0-only
"""Data of a TOML file beside the dataclass that it is for: the fields, their types and defaults are its schema."""

from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def complaint(data: Any, kind: type, *given: str) -> str | None:
    """What is wrong with DATA as the fields of KIND, all but those GIVEN otherwise; None if nothing is."""
    if not isinstance(data, dict):
        return "is not a table"
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind) if field.name not in given}
    for key, value in data.items():
        if key not in known:
            return f"unknown key '{key}', known are {', '.join(known)}"
        if type(value) is not (wanted := in_toml(hints[key])):
            return f"{key} must be of type {wanted.__name__}"
    for key, field in known.items():
        if key not in data and field.default is MISSING and field.default_factory is MISSING:
            return f"key '{key}' is missing"
    return None


def in_toml(hint: Any) -> type:
    """What a field of this type is in a file: the type of an optional one, a list for a tuple, a dict for any dict."""
    origin = get_origin(hint)
    if origin is UnionType:
        return get_args(hint)[0]
    return list if origin is tuple else origin or hint
