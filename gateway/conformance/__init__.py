"""Does a system keep to its dialect? Cases played against any façade or agency system.

Cases speak to `ports.Adapter`, so each dialect's own client plays them against whatever stands at
the other end: a gateway of ours, an axis, a vendor's system. Every document is marked as a test
(DỮ LIỆU THỬ); nothing is acknowledged, returned or reported on but what the run itself sent.

For whom a dialect is: `plan.Parties` says who plays, `bench.Connect` makes a client, `driver.play`
plays, `card` shows. tests/contract/test_facade_contract.py runs it on every installed dialect.
"""
