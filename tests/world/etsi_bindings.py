"""Checks XML against pyHanko's generated bindings of ETSI TS 119 102-2, without their library.

The bindings are dataclasses whose metadata is the schema: names, order, mandatory parts. The
library they were made with is not installed; its few types are stood in for while they load.
"""

import dataclasses
import functools
import sys
import types
import typing
from contextlib import contextmanager

_STAND_INS = ("XmlDate", "XmlDateTime", "XmlDuration", "XmlPeriod", "XmlTime")


@contextmanager
def _datatypes():
    names = ("xsdata", "xsdata.models", "xsdata.models.datatype")
    before = {name: sys.modules.get(name) for name in names}
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    for name in _STAND_INS:
        setattr(sys.modules[names[-1]], name, type(name, (str,), {}))
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


@functools.cache
def bindings():
    """Return the module of the bindings."""
    with _datatypes():
        from pyhanko.generated.etsi import ts_11910202
    return ts_11910202


def _types(cls):
    scope = dict(vars(sys.modules[cls.__module__]))
    for base in cls.__mro__[:-1]:
        scope = dict(vars(sys.modules[base.__module__])) | scope
    return typing.get_type_hints(cls, scope)


def _classes(hint):
    found = [a for a in typing.get_args(hint) for a in ((a, *_classes(a)))] or [hint]
    return [c for c in found if dataclasses.is_dataclass(c)]


def faults(element, cls, path=""):
    """Return what of an element the bindings do not allow, as texts."""
    path = f"{path}/{_local(element)}"
    fields = [f for f in dataclasses.fields(cls) if f.metadata.get("type") == "Element"]
    attributes = {
        f.metadata.get("name", f.name): f
        for f in dataclasses.fields(cls)
        if f.metadata.get("type") == "Attribute"
    }
    found = [f"{path}/@{name}" for name in element.attrib if name not in attributes]
    found += [
        f"{path}/@{name} missing"
        for name, f in attributes.items()
        if f.metadata.get("required") and name not in element.attrib
    ]
    hints = _types(cls)
    children = list(element)
    at = 0
    for f in fields:
        name = f"{{{f.metadata['namespace']}}}{f.metadata.get('name', f.name)}"
        count = 0
        while at < len(children) and children[at].tag == name:
            inner = _classes(hints[f.name])
            if inner:
                found += faults(children[at], inner[0], path)
            at += 1
            count += 1
        many = typing.get_origin(hints[f.name]) is tuple
        if count > 1 and not many:
            found.append(f"{path}/{name} {count} times")
        if count == 0 and f.metadata.get("required"):
            found.append(f"{path}/{name} missing")
    found += [f"{path}/{_local(child)} unexpected" for child in children[at:]]
    return found


def _local(element):
    return element.tag.rpartition("}")[2]
