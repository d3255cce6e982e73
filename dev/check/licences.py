"""Every dependency's licence is one that deny.toml allows."""

import json
import re
import subprocess
import sys
import tomllib


def allowed_by(expression: str, allowed: set[str]) -> bool:
    """Evaluates an SPDX expression: OR needs one side, AND both; `A/B` is how older crates write OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    joined, position = [], 0
    while position < len(tokens):
        if tokens[position] == "WITH":
            joined[-1] += " WITH " + tokens[position + 1]
            position += 1
        else:
            joined.append(tokens[position])
        position += 1
    words = {"(": "(", ")": ")", "OR": "or", "AND": "and"}
    return eval(" ".join(words.get(token, str(token in allowed)) for token in joined))  # noqa: S307: only those words


with open("deny.toml", "rb") as file:
    licences = tomllib.load(file)["licenses"]
allowed = set(licences["allow"])
exceptions = {exception["crate"]: set(exception["allow"]) for exception in licences.get("exceptions", [])}
metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked"]))
refused = [
    f"{package['name']} {package['version']}: {package['license']}"
    for package in metadata["packages"]
    if not (package["license"] and allowed_by(package["license"], allowed | exceptions.get(package["name"], set())))
]
if refused:
    sys.exit("licences that deny.toml does not allow:\n  " + "\n  ".join(sorted(refused)))
