"""RabbitMQ as a door for agencies: their systems publish to us and take from queues of their own.

`names` and `wire` say what goes over it (pure), `asyncapi` publishes that as a document, `taking`
consumes submissions, `bringing` publishes what is offered, `door` is both together. The ledger
stays the only truth: whatever RabbitMQ forgets is asked for again by who sent it, and brought again
from the cursor of who receives it.
"""
