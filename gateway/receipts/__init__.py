"""The receipt log: what happened, in an order nobody can change unseen, checkable offline.

`log` gives entries their place, `merkle` the tree over them, `sign` the gateway's own signature,
`bundle` the export, `proof` the verifier. `proof` stands alone: it needs nothing of this package.
"""
