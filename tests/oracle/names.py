"""What an environment's topics are called on the cluster. Shared by the oracles."""

import os


def physical(topic):
    return os.environ.get("FOLDSTREAM_PREFIX", "") + topic
