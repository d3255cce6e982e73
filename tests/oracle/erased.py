"""Looks for bytes of people who were erased, wherever anything is kept.

    python tests/oracle/erased.py BROKERS REGISTRY_URL DATABASE_URL STACK SERVICES SECRETS

STACK is the directory of a stack, SERVICES the one in which services log; SECRETS is a file of JSON: {"names": [text],
"ids": [text], "positions": [number]}. Looked through are the segment files of every broker as they lie on disk, deleted
ones that are still there included, each batch decompressed by the decoder below; every other file of the brokers but their
indexes of offsets and times; every log; and a dump of every schema of the database. Looked for are texts as they are, in
hexadecimal and in base64, and numbers as they are written, as doubles and as those in hexadecimal. Not looked through: pages
and the write-ahead log of the database, which keep deleted rows until they are written over.

Prints what was found as JSON: a list of [kind, where]. Names may be nowhere. Ids may be on the topics of facts, `people` and
`locations`, and positions on `locations`.
"""

import base64
import json
import pathlib
import re
import struct
import subprocess
import sys

SEGMENT = re.compile(r"^\d{20}\.log(\..*)?$")
INDEX = re.compile(r"\.(index|timeindex|txnindex)(\..*)?$")
PARTITION = re.compile(r"^(.*)-\d+(\.[0-9a-f]+-(delete|future|stray))?$")
BATCH_HEADER = 61
LZ4_MAGIC = bytes.fromhex("04224d18")
ALLOWED = {"names": (), "ids": ("people", "locations"), "positions": ("locations",)}

database_url, data, services = sys.argv[3], pathlib.Path(sys.argv[4], "data"), pathlib.Path(sys.argv[5])
secrets = json.loads(pathlib.Path(sys.argv[6]).read_text())


def in_base64(text):
    """As it may stand within the base64 of something longer: the characters that hold nothing else."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text)
        yield encoded[(4 if before else 0) : len(encoded) // 4 * 4 - 4]


def forms(kind, secret):
    """How it may be written. Hexadecimal is looked for in small letters."""
    if kind == "positions":
        double = struct.pack("<d", secret)
        return [repr(secret).encode(), double], [double.hex().encode(), double[::-1].hex().encode()]
    text = secret.encode()
    return [text, *in_base64(text)], [text.hex().encode()]


wanted = {kind: [forms(kind, secret) for secret in secrets[kind]] for kind in ALLOWED}
found = set()


def look(where, content, topic=None):
    small = content.lower()
    for kind, all_forms in wanted.items():
        if topic in ALLOWED[kind]:
            continue
        for plain, hexadecimal in all_forms:
            if any(form in content for form in plain) or any(form in small for form in hexadecimal):
                found.add((kind, where))


def lz4_block(block, out, largest):
    """Decodes a block behind what is there: older bytes of the frame may be copied."""
    at = 0

    def length(of_token):
        nonlocal at
        total = of_token
        while of_token == 15:
            total += block[at]
            at += 1
            if block[at - 1] != 255:
                break
        return total

    while at < len(block):
        token = block[at]
        at += 1
        literals = length(token >> 4)
        out += block[at : at + literals]
        at += literals
        if at >= len(block):
            break
        back = int.from_bytes(block[at : at + 2], "little")
        at += 2
        copied = length(token & 15) + 4
        start = len(out) - back
        for index in range(copied):
            out.append(out[start + index])
        if len(out) > largest:
            sys.exit("a batch is larger than any that may be written")


def lz4(frame):
    if frame[:4] != LZ4_MAGIC:
        sys.exit("a batch is no frame of lz4")
    flags = frame[4]
    at = 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
    out = bytearray()
    while size := int.from_bytes(frame[at : at + 4], "little"):
        at += 4
        plain, size = size >> 31, size & 0x7FFFFFFF
        if plain:
            out += frame[at : at + size]
        else:
            lz4_block(frame[at : at + size], out, 64 * 1024 * 1024)
        at += size + (4 if flags & 16 else 0)
    return bytes(out)


def batches(content):
    """What the batches of a segment hold, decompressed. The last one may be being written."""
    at = 0
    while at + BATCH_HEADER <= len(content):
        length = int.from_bytes(content[at + 8 : at + 12], "big")
        if content[at + 16] != 2 or at + 12 + length > len(content):
            return
        codec = int.from_bytes(content[at + 21 : at + 23], "big") & 7
        records = content[at + BATCH_HEADER : at + 12 + length]
        if codec not in (0, 3):
            sys.exit(f"a batch is compressed by codec {codec}, which nobody here uses")
        yield lz4(records) if codec == 3 and records else records
        at += 12 + length


def broker(own):
    for path in own.rglob("*"):
        if INDEX.search(path.name) or not path.is_file():
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            # Deleted meanwhile.
            continue
        partition = PARTITION.match(path.parent.name)
        topic = partition and partition[1]
        where = f"{own.name}: {topic or path.name}"
        look(where, content, topic)
        if SEGMENT.match(path.name):
            for records in batches(content):
                look(where, records, topic)


brokers = [path for path in data.iterdir() if path.name.startswith("broker-")]
assert len(brokers) == 3, brokers
for path in brokers:
    broker(path)
logs = {*data.parent.glob("logs/*.log"), *services.glob("*.log")}
assert len(logs) > 5, logs
for path in logs:
    look(f"log: {path.name}", path.read_bytes())
dump = subprocess.run(["pg_dump", database_url], capture_output=True, check=True).stdout
for table in re.split(rb"^(?=COPY )", dump, flags=re.MULTILINE):
    name = re.match(rb"COPY (\S+)", table)
    look(f"table: {name[1].decode()}" if name else "dump", table)
print(json.dumps(sorted(found)))
