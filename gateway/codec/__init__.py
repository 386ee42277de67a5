"""Bytes ⇄ domain: edXML documents and statuses, streamed, lenient in, strict out.

No I/O of its own but the files it is handed; no logging; nothing is kept between calls.
"""
