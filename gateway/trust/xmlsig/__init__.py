"""XML signatures (XMLDSig, XAdES, the Signature block of edXML): `verify_xml` in `engine`."""
