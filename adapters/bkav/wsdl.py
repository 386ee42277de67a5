"""The WSDL of the SOAP service, derived from the operations (theirs is not published). Pure."""

from typing import Final
from xml.sax.saxutils import quoteattr

from adapters.bkav.soap import OPERATIONS
from gateway.codec.tree import OLD_NS

_SOAP: Final = {
    "Soap11": ("soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
    "Soap12": ("soap12", "http://schemas.xmlsoap.org/wsdl/soap12/"),
}
_BODY: Final = {"SendDocument": "Manifest", "UpdateTraces": "Status"}


def wsdl(address: str) -> bytes:
    """Return the description of the service at an address: document style, both SOAP versions."""
    elements = sorted(
        {_asked(name) for name in OPERATIONS} | {f"{name}Response" for name in OPERATIONS}
    )
    types = "".join(
        f'<xs:element name="{name}"><xs:complexType><xs:sequence>'
        '<xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>'
        '<xs:anyAttribute processContents="lax"/></xs:complexType></xs:element>'
        for name in elements
    )
    messages = "".join(
        f'<wsdl:message name="{name}Input"><wsdl:part name="body" element="tns:{_asked(name)}"/>'
        f'</wsdl:message><wsdl:message name="{name}Output">'
        f'<wsdl:part name="body" element="tns:{_answered(name)}"/></wsdl:message>'
        for name in OPERATIONS
    )
    port = "".join(
        f'<wsdl:operation name="{name}"><wsdl:input message="tns:{name}Input"/>'
        f'<wsdl:output message="tns:{name}Output"/></wsdl:operation>'
        for name in OPERATIONS
    )
    bindings = "".join(_binding(name, prefix) for name, (prefix, _) in _SOAP.items())
    ports = "".join(
        f'<wsdl:port name="{name}" binding="tns:{name}Binding">'
        f"<{prefix}:address location={quoteattr(address)}/></wsdl:port>"
        for name, (prefix, _) in _SOAP.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        'xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" '
        f'xmlns:tns="{OLD_NS}" targetNamespace="{OLD_NS}">'
        f'<wsdl:types><xs:schema targetNamespace="{OLD_NS}" elementFormDefault="qualified">'
        f"{types}</xs:schema></wsdl:types>{messages}"
        f'<wsdl:portType name="EdocService">{port}</wsdl:portType>{bindings}'
        f'<wsdl:service name="EdocService">{ports}</wsdl:service></wsdl:definitions>'
    ).encode()


def _asked(name: str) -> str:
    return _BODY.get(name, f"{name}Request")


def _answered(name: str) -> str:
    return "Manifest" if name == "GetDocument" else f"{name}Response"


def _binding(name: str, prefix: str) -> str:
    use = f'<{prefix}:body use="literal"/>'
    operations = "".join(
        f'<wsdl:operation name="{one}"><{prefix}:operation soapAction="{one}"/>'
        f"<wsdl:input>{use}</wsdl:input><wsdl:output>{use}</wsdl:output></wsdl:operation>"
        for one in OPERATIONS
    )
    transport = '"http://schemas.xmlsoap.org/soap/http"'
    return (
        f'<wsdl:binding name="{name}Binding" type="tns:EdocService">'
        f'<{prefix}:binding style="document" transport={transport}/>{operations}</wsdl:binding>'
    )
