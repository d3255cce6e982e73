"""Does to topics by hand what an operator might.

    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL create TOPIC PARTITIONS
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL delete TOPIC
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL set TOPIC NAME VALUE
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL divide-times FACTOR
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL delete-all
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL undecided
    python tests/oracle/admin.py BROKERS REGISTRY_URL DATABASE_URL out-of-sync

`divide-times` divides every time after which records of an environment's topics are deleted or compacted by one factor, as
the brokers have it, and prints what it set; `delete-all` deletes the topics of an environment; `undecided` prints on how many of their partitions a transaction is not
settled yet, or its marker still on its way; the last prints how many partitions lack a replica that is in sync.
"""

import sys
import time

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from names import physical

TIMES = ("retention.ms", "segment.ms", "max.compaction.lag.ms", "delete.retention.ms")
FOR_EVER = 2**63 - 1

def latest(partitions, level):
    """The ends of partitions. A client goes on asking a leader that has died for as long as it lives, and a new one asks
    who leads now."""
    deadline = time.monotonic() + 60
    while True:
        asked = {partition: OffsetSpec.latest() for partition in partitions}
        # Nobody is answered whose client is gone.
        client = AdminClient({"bootstrap.servers": brokers})
        offsets = client.list_offsets(asked, isolation_level=level, request_timeout=5)
        try:
            return {(found.topic, found.partition): future.result(30).offset for found, future in offsets.items()}
        except KafkaException:
            if time.monotonic() > deadline:
                raise


brokers, action = sys.argv[1], sys.argv[4]
admin = AdminClient({"bootstrap.servers": brokers})
if action == "out-of-sync":
    topics = admin.list_topics(timeout=30).topics.values()
    partitions = [partition for topic in topics for partition in topic.partitions.values()]
    print(sum(len(partition.isrs) < len(partition.replicas) for partition in partitions))
    sys.exit()
if action == "delete-all":
    names = [name for name in admin.list_topics(timeout=30).topics if physical("") and name.startswith(physical(""))]
    for future in admin.delete_topics(names, operation_timeout=30).values() if names else ():
        future.result(30)
    sys.exit()
if action == "undecided":
    topics = [topic for topic in admin.list_topics(timeout=30).topics.values() if not topic.topic.startswith("__")]
    own = [
        TopicPartition(topic.topic, number)
        for topic in topics
        if topic.topic.startswith(physical(""))
        for number in topic.partitions
    ]
    ends = [latest(own, level) for level in IsolationLevel]
    print(sum(ends[0][partition] != ends[1][partition] for partition in ends[0]))
    sys.exit()
if action == "divide-times":
    own = [name for name in admin.list_topics(timeout=30).topics if not name.startswith("__") and name.startswith(physical(""))]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in own]
    changed = []
    for resource, future in admin.describe_configs(resources).items():
        settings = {name: entry.value for name, entry in future.result(30).items()}
        if settings["cleanup.policy"] == "delete" and settings["retention.ms"] == "-1":
            continue
        times = [name for name in TIMES if 0 < int(settings[name]) < FOR_EVER]
        entries = [
            ConfigEntry(name, str(int(settings[name]) // int(sys.argv[5])), incremental_operation=AlterConfigOpType.SET)
            for name in times
        ]
        changed.append(ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=entries))
        print(resource.name, *(f"{entry.name}={entry.value}" for entry in entries))
    for future in admin.incremental_alter_configs(changed).values():
        future.result(30)
    sys.exit()
topic = physical(sys.argv[5])
if action == "create":
    done = admin.create_topics([NewTopic(topic, num_partitions=int(sys.argv[6]), replication_factor=3)])
elif action == "delete":
    done = admin.delete_topics([topic], operation_timeout=30)
else:
    entry = ConfigEntry(sys.argv[6], sys.argv[7], incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    done = admin.incremental_alter_configs([resource])
for future in done.values():
    future.result(30)
