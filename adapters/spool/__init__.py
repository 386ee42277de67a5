"""Folders as a door, for software that can do nothing but write and read files.

Maildir manners: whoever writes prepares a file in `tmp` and renames it into `new`; whoever has
dealt with it moves it to `cur`. `folder` is the only one that touches the disk, `names` and
`results` are pure, `form` reads the small file beside a scanned document (S004), `sending` takes
what was dropped, `bringing` puts down what is offered, `following` writes down what becomes of what
was sent, `door` is all of them for one folder. The ledger stays the only truth: the folder may be
lost, and what was not done is done again with the same result.
"""
