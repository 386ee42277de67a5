"""A partner in a box: an axis of our own on loopback, and an agency that answers by itself.

It stands behind the façade of any dialect, which is handed in: nothing here knows one. It checks
packets with its own reading of edXML, so that it judges what our codec emits.
"""
