"""Parses recorded requests by Google's own protos: parse_requests.py FILE

FILE has one JSON object a line: a body of Gemini's generateContent, or a call
as the stand-in records it ({"api": ..., "body": ...}; those of other APIs are
passed over). A field that the protos do not know is an error, as it is at
Google. Prints how many bodies it parsed; none at all is an error too.
"""

import copy
import json
import sys

from google.ai import generativelanguage_v1beta as glm
from google.protobuf import json_format

# What the API takes and the protos of the pinned package are too old to know.
# Paths from the body down, lists left out.
TOO_NEW = [
    # Gemini 3's thinking levels.
    ("generationConfig", "thinkingConfig", "thinkingLevel"),
]


def bodies(lines):
    """The bodies of Gemini's requests, each with the number of its line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        recorded = json.loads(line)
        if not isinstance(recorded, dict):
            raise ValueError(f"line {number}: no object")
        if "body" not in recorded:
            yield number, recorded
        elif recorded.get("api") == "gemini":
            yield number, recorded["body"]


def without(body, path):
    """Takes the field at this path out of a body."""
    if isinstance(body, list):
        for item in body:
            without(item, path)
    elif isinstance(body, dict) and path[0] in body:
        if len(path) == 1:
            del body[path[0]]
        else:
            without(body[path[0]], path[1:])


def parse(body):
    """Parses a body; raises json_format.ParseError when it is no request."""
    known = copy.deepcopy(body)
    for path in TOO_NEW:
        without(known, path)
    request = glm.GenerateContentRequest.pb(glm.GenerateContentRequest())
    return json_format.ParseDict(known, request, ignore_unknown_fields=False)


def main(path):
    count = 0
    failed = 0
    with open(path, encoding="utf-8") as lines:
        for number, body in bodies(lines):
            count += 1
            try:
                parse(body)
            except json_format.ParseError as error:
                failed += 1
                print(f"line {number}: {error}", file=sys.stderr)
    if count == 0:
        print("no request of Gemini's in the file", file=sys.stderr)
        return 1
    print(f"{count - failed} of {count} requests parsed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
