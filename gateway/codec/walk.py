"""Reading known children of an element leniently, and remembering everything that was odd.

A `Walk` goes with one packet: it gathers repairs, findings and unknown elements in document order,
bounded by `Limits.remarks`. Nothing is dropped silently: what is not known becomes an `Extra`.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from gateway.codec.dates import read_date, read_moment
from gateway.codec.limits import DEFAULT_LIMITS, Limits
from gateway.codec.repairs import repair
from gateway.codec.tree import OURS, Node, to_xml
from gateway.domain.envelope import Extra, Repair
from gateway.domain.finding import Finding, Severity

Fields = dict[str, list[Node]]

# Spellings met in practice (spec/edxml.md 3.4, 7.8) → the standard name and the repair.
ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "Business": ("Bussiness", "business-spelling"),
    "BusinessDocType": ("BussinessDocType", "business-spelling"),
    "BusinessDocReason": ("BussinessDocReason", "business-spelling"),
    "BusinessDocumentInfo": ("BussinessDocumentInfo", "business-spelling"),
    "OrganInCharge": ("OrganizationInCharge", "element-spelling"),
    "Header": ("edXMLHeader", "element-spelling"),
    "Body": ("edXMLBody", "element-spelling"),
    "Manifest": ("edXMLManifest", "element-spelling"),
    "Status": ("MessageHeader", "status-element"),
}


class Walk:
    """What was seen while reading one packet."""

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        repairs: tuple[Repair, ...] = (),
        extras: tuple[Extra, ...] = (),
    ) -> None:
        self.limits = limits
        self.repairs = list(repairs)
        self.extras = list(extras)
        self.findings: list[Finding] = []
        self._once = {r.code for r in repairs}

    # -- remembering

    def repair(self, code: str, where: str, was: str = "") -> None:
        """Remember a repair, up to the limit."""
        if len(self.repairs) < self.limits.remarks:
            self.repairs.append(repair(code, where, was))
        else:
            self.repair_once("more", "/edXML")

    def repair_once(self, code: str, where: str, was: str = "") -> None:
        """Remember a repair that says the same everywhere: only its first place."""
        if code not in self._once:
            self._once.add(code)
            self.repairs.append(repair(code, where, was))

    def finding(self, rule: str, severity: Severity, where: str, vi: str, en: str) -> None:
        """Remember a finding about the packet, up to the limit; errors are never left out."""
        if severity is Severity.ERROR or len(self.findings) < self.limits.remarks:
            refusal = "R07" if severity is Severity.ERROR else ""
            self.findings.append(Finding(rule, severity, where, vi, en, refusal))

    def keep(self, node: Node, path: str) -> None:
        """Keep an element that is not known at this place."""
        self.extras.append(Extra(path.lstrip("/"), to_xml(node)))

    # -- reading

    def children(
        self, node: Node, path: str, known: frozenset[str], prefix: str = "edXML"
    ) -> Fields:
        """Sort the children of an element by standard name; unknown ones become extras."""
        out: Fields = {}
        if node.mixed:
            self.repair("stray-text", path)
        for child in node.children:
            name = child.local
            if child.ns not in OURS:
                self.keep(child, path)
                continue
            if name not in known:
                alias = ALIASES.get(name)
                if alias is None or alias[0] not in known:
                    self.keep(child, path)
                    continue
                name = alias[0]
                self.repair(alias[1], f"{path}/{child.local}", child.local)
            if child.prefix != prefix:
                self.repair_once("prefix", f"{path}/{child.local}", child.prefix)
            if name in out:
                out[name].append(child)
            else:
                out[name] = [child]
        return out

    def one(self, fields: Fields, name: str, path: str) -> Node | None:
        """Return the only element of that name; later ones are kept as extras, said aloud."""
        nodes = fields.get(name)
        if nodes is None:
            return None
        if len(nodes) > 1:
            self.repair("duplicate-element", f"{path}/{name}[2]", nodes[1].whole_text())
            for node in nodes[1:]:
                self.keep(node, path)
            del nodes[1:]
        return nodes[0]

    def leaf(self, node: Node, where: str) -> str:
        """Return the text of an element, "" when it is blank."""
        text = node.text
        if node.children:
            text = node.whole_text()
            self.repair("markup-in-text", where, text)
        return "" if not text or text.isspace() else text

    def text(self, fields: Fields, name: str, path: str) -> str:
        """Return a text field as written, "" when absent or blank."""
        nodes = fields.get(name)
        if nodes is None:
            return ""
        node = nodes[0] if len(nodes) == 1 else self.one(fields, name, path)
        return "" if node is None else self.leaf(node, f"{path}/{name}")

    def code(self, fields: Fields, name: str, path: str) -> str:
        """Return a code: text without white space around it."""
        text = self.text(fields, name, path)
        trimmed = text.strip()
        if trimmed != text:
            self.repair("whitespace-trimmed", f"{path}/{name}", text)
        return trimmed

    def texts(self, fields: Fields, name: str, path: str) -> tuple[str, ...]:
        """Return the non-blank texts of a repeated field."""
        nodes = fields.get(name)
        if nodes is None:
            return ()
        found = (self.leaf(n, f"{path}/{name}[{i}]") for i, n in enumerate(nodes, 1))
        return tuple(text for text in found if text)

    def number(self, fields: Fields, name: str, path: str) -> int | None:
        """Return a whole number ≥ 0; None when absent, or unreadable (a repair, kept as extra)."""
        text = self.text(fields, name, path).strip()
        if not text:
            return None
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text)
        self.unreadable("number-unreadable", fields, name, path)
        return None

    def date(self, fields: Fields, name: str, path: str) -> date | None:
        """Return a date in any known form; None when absent or unreadable."""
        text = self.text(fields, name, path)
        if not text:
            return None
        value, code = read_date(text)
        if code == "date-unreadable":
            self.unreadable(code, fields, name, path)
        elif code:
            self.repair(code, f"{path}/{name}", text)
        return value

    def moment(self, fields: Fields, name: str, path: str) -> datetime | None:
        """Return an aware moment in any known form; None when absent or unreadable."""
        text = self.text(fields, name, path)
        if not text:
            return None
        value, code = read_moment(text)
        if code == "date-unreadable":
            self.unreadable(code, fields, name, path)
        elif code:
            self.repair(code, f"{path}/{name}", text)
        return value

    def unreadable(self, code: str, fields: Fields, name: str, path: str) -> None:
        """Say that a field could not be read and keep its text among the extras."""
        node = fields[name][0]
        self.repair(code, f"{path}/{name}", node.whole_text())
        self.keep(node, path)
