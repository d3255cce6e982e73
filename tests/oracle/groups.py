"""Lists the consumer groups there are.

    python tests/oracle/groups.py BROKERS REGISTRY_URL DATABASE_URL
"""

import sys

from confluent_kafka.admin import AdminClient

admin = AdminClient({"bootstrap.servers": sys.argv[1]})
listed = admin.list_consumer_groups().result(30)
if listed.errors:
    sys.exit(f"not every broker answered: {listed.errors}")
print(" ".join(sorted(group.group_id for group in listed.valid)))
