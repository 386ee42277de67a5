"""The table of queues: one a lane, none that could lose anything or go round for ever."""

from gateway.broker.queues import all_queues, lanes_of, parking


def test_each_lane_of_each_topic_has_its_queue():
    queues = all_queues("vanlien", ["issue", "relay:truc"])
    names = [queue.name for queue in queues]
    assert len(names) == len(set(names)) == 11
    assert names[0] == "vanlien.parking"
    assert "vanlien.relay:truc.express_timed" in names
    assert [queue.lane for queue in lanes_of("vanlien", "issue")] == [0, 1, 2, 3, 4]


def test_every_queue_is_a_quorum_queue_and_lanes_never_refuse_or_drop():
    for queue in all_queues("x", ["issue"]):
        assert queue.arguments["x-queue-type"] == "quorum"
        assert "x-max-priority" not in queue.arguments
        assert "x-message-ttl" not in queue.arguments
    for queue in lanes_of("x", "issue"):
        assert "x-max-length" not in queue.arguments
        # 3.10 has no limit of its own.
        assert queue.arguments["x-delivery-limit"] == 100
        assert queue.arguments["x-dead-letter-routing-key"] == parking("x").name
