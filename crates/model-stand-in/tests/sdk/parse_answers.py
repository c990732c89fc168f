"""Parses the stand-in's own answers by Google's protos: parse_answers.py BASE_URL

The SDK reads past fields that it does not know; the protos do not.
"""

import json
import sys
import urllib.error
import urllib.request

from google.ai import generativelanguage_v1beta as glm
from google.protobuf import json_format
from google.rpc import error_details_pb2  # noqa: F401, so that Any knows the details
from google.rpc import status_pb2

from scenarios import KEY, equal, run

PATH = "/v1beta/models/gemini-3-flash-preview:"


def ask(base_url, text, operation="generateContent"):
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": text}]}]})
    headers = {"x-goog-api-key": KEY, "content-type": "application/json"}
    request = urllib.request.Request(base_url + PATH + operation, body.encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def parse_answer(text):
    message = glm.GenerateContentResponse.pb(glm.GenerateContentResponse())
    return json_format.Parse(text, message, ignore_unknown_fields=False)


def answers(base_url):
    for text in [
        "say hello",
        "one step after another",
        "all at once",
        "bad arguments",
        "in a schema",
        "too long",
        "unsafe answer",
        "unsafe prompt",
    ]:
        status, body = ask(base_url, text)
        equal(status, 200)
        parse_answer(body)


def streams(base_url):
    for text in ["as a stream", "all at once", "unsafe prompt"]:
        _, body = ask(base_url, text, "streamGenerateContent?alt=sse")
        events = [line[len("data: ") :] for line in body.splitlines() if line]
        _, body = ask(base_url, text, "streamGenerateContent")
        elements = [json.dumps(element) for element in json.loads(body)]
        equal(len(events), len(elements))
        for chunk in events + elements:
            parse_answer(chunk)


def errors(base_url):
    for text, status in [
        ("too fast", 429),
        ("too fast in an array", 429),
        ("no more today", 429),
        ("overloaded", 503),
        ("retired", 404),
        ("what no rule matches", 400),
    ]:
        code, body = ask(base_url, text)
        equal(code, status)
        body = json.loads(body)
        error = (body[0] if isinstance(body, list) else body)["error"]
        equal(error["code"], status)
        # HTTP's code and the name of gRPC's, where the proto has gRPC's number.
        assert isinstance(error.pop("status"), str)
        json_format.ParseDict(error, status_pb2.Status(), ignore_unknown_fields=False)


if __name__ == "__main__":
    run([answers, streams, errors], sys.argv[1])
