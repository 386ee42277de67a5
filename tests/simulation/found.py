"""Histories that once failed, made short: each is a bug that was there, named by what it was."""

from tests.simulation.plan import Act, Doc, Fault, Plan

FOUND = {
    # Who dialled dies; the recipient's receipt settles the transfer before the lease is over, and
    # nobody was left to end the attempt.
    "an attempt whose end nobody wrote": Plan(
        1,
        "single",
        docs=(Doc(1, 1.0, "H37.02", ("G09",), replies=("03", "06")),),
        faults=(Fault("crash", "A1", "deliver.heard", 1, span=3.0),),
    ),
    # The same without a death: the outcome could not be committed.
    "an attempt whose end could not be committed": Plan(
        1,
        "single",
        latency=2.0,
        docs=(Doc(1, 1.0, "H37.02", ("G09",), replies=("03", "06")),),
        faults=(Fault("ledger-down", "A", at=1.0, span=25.0),),
    ),
    # The recipient's answer closes the consignment while the handing over is still under way; the
    # peer's late word opened it again, and nobody closed it any more.
    "a consignment opened by a late word": Plan(
        24,
        "single",
        docs=(Doc(1, 1.0, "H37.02", ("G09",), replies=("02",)),),
        faults=(Fault("deliver", "A", "slow", 1),),
    ),
    # A node told to end while it was given a rest: both gave its leases back, the second time none.
    "a node told to end twice": Plan(
        100290,
        "cluster",
        leases=True,
        shuffle=0.0,
        latency=2.0,
        docs=(
            Doc(1, 1.0, "H37.04", ("G09",), replies=()),
            Doc(2, 1.0, "H37.04", ("G09",), replies=()),
        ),
        faults=(
            Fault("rest", "A1", at=13.1, span=3.0),
            Fault("restart", "A2", at=1.4, span=3.0),
            Fault("restart", "A1", at=10.4, span=3.0),
        ),
    ),
    # A breaker went on asking its destination, with a document, while its node was given a rest.
    "a probe by a node at rest": Plan(
        1,
        "single",
        docs=tuple(Doc(n, 1.0, "H37.02", ("G09",)) for n in range(1, 9)),
        faults=(
            *(Fault("deliver", "A", "request-lost", n) for n in range(1, 9)),
            Fault("rest", "A1", at=16.0, span=20.0),
        ),
    ),
    # A recipient added to a document just after an operator had held it was served at once.
    "a held document that got to an added recipient": Plan(
        1,
        "single",
        latency=0.05,
        docs=(Doc(1, 1.0, "H37.02", ("G09",), more=("H37.04",)),),
        faults=(Fault("hold", "A", "document", at=9.0, span=20.0),),
    ),
    # Released while the clock was half an hour ahead; set back, it waited until then, untried.
    "a document that waited for a clock that was ahead": Plan(
        107003,
        "single",
        latency=0.05,
        docs=(Doc(3, 8.6, "H37.02", ("H37.04",), replies=()),),
        faults=(
            Fault("clock-jump", "A", at=11.2, span=3.0, size=900.0),
            Fault("clock-jump", "A", at=3.1, span=20.0, size=900.0),
        ),
    ),
    # The notice of a recall bears the identifier of its document: 03 was taken for the notice's.
    "a status taken for that of a recall": Plan(
        164,
        "single",
        shuffle=0.0,
        latency=2.0,
        recall_by="both",
        docs=(Doc(2, 1.0, "H37.02", ("G09",), replies=("03",)),),
        acts=(Act("order", 5.0, 2, "H37.02", ("G09",)),),
    ),
    # Taken back while its verdict was on its way, and sent to one more: unverified, unnumbered.
    "a recipient added to what was never issued": Plan(
        163,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        give_up=15.0,
        docs=(
            Doc(1, 1.0, "H25.01", ("H37.04",), verdict="listed-bad", replies=(), more=("H37.02",)),
        ),
        faults=(Fault("verifier-down", "B", at=0.9, span=15.0),),
        acts=(Act("notice", 1.1, 1, "H25.01"),),
    ),
    # 03 about a document was taken for one about its update, which then counted as fetched.
    "an update nobody fetched": Plan(
        113,
        "single",
        shuffle=0.0,
        latency=0.05,
        docs=(
            Doc(2, 2.1, "G09", ("H37.04",), replies=("03",)),
            Doc(3, 7.2, "G09", ("H37.04",), replies=(), about=2, kind=2),
        ),
    ),
    # Withdrawn before pick-up; the system then read the notice, and had no such document.
    "given back and then kept": Plan(
        78,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=2.0,
        docs=(Doc(2, 2.4, "H37.02", ("H37.04", "G09"), replies=()),),
        faults=(Fault("slow-peer", "A", at=5.8, span=5.0),),
        acts=(Act("notice", 18.7, 2, "H37.02"), Act("notice", 18.0, 2, "H37.02")),
    ),
    # A word about the first version was taken as proof that the second one, not yet sent, is there.
    "an update the first version's status stood for": Plan(
        400655,
        "cluster",
        broker="shared",
        shuffle=0.0,
        latency=0.05,
        give_up=15.0,
        docs=(
            Doc(2, 8.3, "H37.04", ("G09",), 1, 30, repeats=1),
            Doc(3, 14.6, "H37.04", ("G09",), 1, 30, about=2, kind=2),
        ),
        faults=(Fault("doubt", "A1", "blob.after", 3),),
    ),
    # 16 to a notice, heard before the end of the attempt that brought the document: the wish waited
    # for that end, became a question then, and nobody answered it any more.
    "an answer that was faster than the attempt": Plan(
        8,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        recall_by="1",
        docs=(Doc(1, 1.0, "H37.02", ("G09",), replies=()),),
        faults=(
            Fault("ledger-down", "A", at=2.2, span=15.0),
            Fault("deliver", "A", "slow", 1),
        ),
        acts=(Act("notice", 1.3, 1, "H37.02"),),
    ),
    # By document its sender took both versions back; the receiver gave the newer one.
    "one version given back of two": Plan(
        400238,
        "single",
        latency=0.05,
        docs=(
            Doc(1, 1.0, "H37.02", ("H37.04",), replies=()),
            Doc(2, 3.3, "H37.02", ("H37.04",), replies=(), about=1, kind=2),
        ),
        acts=(Act("notice", 20.0, 1, "H37.02"),),
    ),
    # One order, two recipients, one instant: both parcels of the notice named both of them.
    "a notice each got twice": Plan(
        189614,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        recall_by="both",
        docs=(Doc(1, 1.0, "H25.01", ("G09", "H37.02"), replies=()),),
        acts=(Act("order", 1.1, 1, "H25.01"),),
    ),
    # A 13 heard twice was answered 15 twice, each with a time of its own: its sender read both.
    "a question heard twice and answered twice": Plan(
        191125,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(Doc(1, 1.0, "H37.02", ("H25.01",), replies=()),),
        faults=(Fault("deliver", "A", "late-effect", 2),),
        desks=("H25.01",),
        acts=(Act("13", 8.6, 1, "H37.02", ("H25.01",)),),
    ),
    # Its sender was answered before it had a number, and asked without one: 13 left without one.
    "asked back without the identifier it got": Plan(
        188888,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        by_ordinal=True,
        docs=(Doc(1, 8.0, "H37.04", ("G09",), verdict="slow", named=False, replies=()),),
        acts=(Act("13", 24.7, 1, "H37.04", ("G09", "H37.02")),),
    ),
    # Taken back from all, then sent anew as an update: that draws a 15 of its own (edxml.md 5), and
    # the judge took it for a second answer to the first question.
    "an update of what was taken back from all": Plan(
        191213,
        "pair",
        yields=0.0,
        latency=0.5,
        docs=(
            Doc(1, 1.0, "H37.02", ("H37.04",), replies=("02",)),
            Doc(2, 4.7, "H37.02", ("H37.04",), replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 2.8, 1, "H37.02"),),
    ),
    # Its recipient gave the first version back; the update sent meanwhile stood for the answer.
    "a question its update had the answer of": Plan(
        189552,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 7.0, "H37.02", ("G09",), replies=()),
            Doc(2, 11.6, "H37.02", ("G09",), replies=(), about=1, kind=2),
        ),
        acts=(Act("13", 7.1, 1, "H37.02", ("G09",)),),
    ),
    # The update was returned, so that only the version before it was asked for.
    "a question about the version before a returned one": Plan(
        189983,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(2, 8.5, "H37.04", ("G09",), replies=()),
            Doc(3, 16.4, "H37.04", ("G09",), replies=("02",), about=2, kind=2),
        ),
        acts=(Act("order", 32.5, 2, "H37.04", ("G09",)),),
    ),
    # 15 to the update counted for the version that still waited for its verdict, and never left.
    "an answer about what nobody had heard of": Plan(
        190982,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 1.0, "H37.04", ("H37.02", "G09"), verdict="slow", replies=()),
            Doc(2, 7.9, "H37.04", ("H37.02",), replies=(), about=1, kind=2),
        ),
        acts=(Act("13", 5.3, 1, "H37.04", ("G09",)), Act("order", 8.0, 2, "H37.04")),
    ),
    # Kept by law after it was given back: the same question again could not be answered any more.
    "an answer that a later hold forbade": Plan(
        189905,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(Doc(1, 1.9, "H37.04", ("H37.02",), replies=()),),
        desks=("H37.02",),
        agrees="automatic",
        acts=(
            Act("notice", 27.0, 1, "H37.04"),
            Act("law", 2.0, 1, "H37.02", span=60.0),
            Act("order", 2.0, 1, "H37.04"),
        ),
    ),
    # Two notices under one identifier, one for each version: the second took the first one back.
    "a notice that took a notice back": Plan(
        190739,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=2.0,
        recall_by="both",
        docs=(
            Doc(1, 7.3, "H25.01", ("G09", "H37.02"), verdict="valid", replies=("02",)),
            Doc(2, 14.9, "H25.01", ("G09", "H37.02"), 1, replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 21.3, 1, "H25.01"),),
    ),
    # 13 was faster than the update: the version before it went back, the update stayed.
    "an update that came after its recall": Plan(
        189312,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=2.0,
        docs=(
            Doc(1, 1.7, "H37.04", ("H25.01",), 3, replies=()),
            Doc(2, 0.8, "H37.02", ("H25.01", "H37.04"), replies=()),
            Doc(3, 5.5, "H37.02", ("H25.01", "H37.04"), replies=(), about=2, kind=2),
        ),
        acts=(Act("13", 5.6, 3, "H37.02", ("H25.01",)),),
    ),
    # Two versions, two 13s under one identifier: its system answered both about the newer one.
    "two questions answered about one version": Plan(
        500185,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 2.2, "H37.04", ("H37.02",), replies=()),
            Doc(2, 3.7, "H37.04", ("H37.02",), replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 11.5, 2, "H37.04", ("H37.02",)),),
    ),
    # 01 about the update was taken for one about the version that was never issued: it came alive.
    "a status about what was never issued": Plan(
        111,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        recall_by="1",
        docs=(
            Doc(1, 3.4, "H37.04", ("G09",), verdict="slow", replies=()),
            Doc(2, 3.9, "H37.04", ("H37.02", "G09"), replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 7.9, 1, "H37.04"),),
    ),
    # 02 about the first version was taken for one about the update, which had not left.
    "a refusal of what was cancelled": Plan(
        501036,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        desks=("H37.02", "H37.04"),
        recall_by="both",
        docs=(
            Doc(1, 2.3, "H37.02", ("G09",), replies=("02",)),
            Doc(2, 12.8, "H37.02", ("H37.04", "G09"), replies=(), about=1, kind=2),
        ),
        faults=(Fault("deliver", "A", "slow", 1),),
        acts=(Act("order", 15.8, 2, "H37.02"),),
    ),
    # 13 about a replacement whose answer was lost: asked, and no record that it was.
    "asked for in doubt": Plan(
        501002,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 1.1, "H37.04", ("G09",), replies=()),
            Doc(2, 4.6, "H37.04", ("G09",), replies=(), about=1, kind=3),
        ),
        faults=(Fault("deliver", "A", "answer-lost", 2),),
        acts=(Act("13", 7.0, 2, "H37.04", ("G09",)),),
    ),
    # A notice was faster than its document in doubt, and counted for the question after it came.
    "a notice that came too early": Plan(
        500084,
        "pair",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(Doc(1, 5.2, "H25.01", ("G09",), replies=()),),
        faults=(Fault("deliver", "B", "late-effect", 1),),
        acts=(Act("notice", 6.2, 1, "H25.01"),),
    ),
    # 15 on the update, which nobody asked back, was no answer to the question about the older one.
    "a question answered on its update": Plan(
        2327,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 1.5, "H37.04", ("H37.02",), replies=("02",)),
            Doc(2, 2.1, "H37.04", ("H37.02",), replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 6.9, 2, "H37.04"),),
    ),
    # By name a document was asked for, and one version returned before the answer to the other.
    "a wish for what was returned meanwhile": Plan(
        191638,
        "cluster",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 5.8, "H37.02", ("H37.04",), replies=("02",)),
            Doc(3, 7.9, "H37.02", ("H37.04",), replies=(), about=1, kind=2),
        ),
        acts=(Act("notice", 8.6, 3, "H37.02"),),
    ),
    # The newer version was given back, the older is kept by law: 15 was tried, and nothing said.
    "a name asked for after half of it went back": Plan(
        2295,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(
            Doc(1, 4.4, "H37.02", ("H37.04",), replies=()),
            Doc(2, 9.4, "H37.02", ("H37.04",), replies=(), about=1, kind=2),
        ),
        acts=(
            Act("notice", 13.3, 1, "H37.02"),
            Act("13", 5.7, 2, "H37.02", ("H37.04", "G09")),
            Act("law", 1.8, 1, "H37.04"),
        ),
    ),
    # A fault of the judge: 16 was said while the clock was ahead, 15 after it was set back.
    "kept while the clock was ahead": Plan(
        195061,
        "single",
        shuffle=0.0,
        yields=0.0,
        latency=0.05,
        docs=(Doc(1, 1.0, "H37.04", ("H37.02",), replies=()),),
        faults=(Fault("clock-jump", "A", at=0.6, span=3.0, size=5.0),),
        desks=("H37.02", "H37.04"),
        acts=(
            Act("law", 1.1, 1, "H37.02", span=4.0),
            Act("13", 2.6, 1, "H37.04", ("H37.02", "000.00.02.H37"), times=2),
        ),
    ),
    # REC-06: it asked through its own gateway, which knew whose document that is.
    "a neighbour that takes back": Plan(
        64,
        "single",
        latency=0.05,
        docs=(Doc(2, 2.4, "H37.04", ("G09",), replies=()),),
        acts=(Act("stranger", 3.2, 2, "H37.02", ("G09",)),),
    ),
    # Two nodes at their third claim in one instant: one, in doubt, took the other's for its own.
    "another node's claim": Plan(
        194798,
        "cluster",
        broker="shared",
        shuffle=0.2,
        yields=0.5,
        latency=2.0,
        docs=(Doc(1, 3.1, "G09", ("H37.02",), replies=()),),
        faults=(
            Fault("broker-down", "A", at=14.0, span=1.0),
            Fault("doubt", "A2", "ledger.after", 21),
            Fault("doubt", "A2", "blob.after", 3),
            Fault("broker-down", "A", at=9.1, span=1.0),
            Fault("broker-down", "A", at=7.4, span=1.0),
        ),
        acts=(
            Act("13", 10.2, 1, "G09", ("H37.02",), times=2),
            Act("order", 11.0, 1, "G09", ("H37.02",), times=2),
            Act("purge", 22.0, who="H37.02"),
        ),
    ),
    # REC-02: an order for an update covers the version before it, which nobody is added to any more.
    "an earlier version taken back before its number": Plan(
        7277,
        "single",
        latency=0.05,
        give_up=15.0,
        docs=(
            Doc(1, 4.2, "H37.04", ("H37.02",), verdict="slow", replies=(), more=("G09",)),
            Doc(2, 7.1, "H37.04", ("H37.02",), replies=(), about=1, kind=2),
        ),
        acts=(Act("order", 10.0, 2, "H37.04", ("H37.02",)),),
    ),
    # REC-01: the document asks for what has left already, with the very file found bad since.
    "a recall of what was found to be badly signed": Plan(
        710479,
        "cluster",
        leases=True,
        yields=0.5,
        noise=0.1,
        latency=0.05,
        give_up=15.0,
        docs=(
            Doc(
                1,
                1.1,
                "H37.04",
                ("H37.02", "G09", "000.00.02.H37"),
                verdict="listed-bad",
                replies=(),
            ),
        ),
        faults=(Fault("verifier-down", "A", at=7.2, span=15.0),),
        desks=("H37.02",),
        agrees="clerk",
        recall_by="1",
        acts=(Act("order", 1.2, 1, "H37.04"),),
    ),
}
