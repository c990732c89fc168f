"""Google's official SDK against the stand-in: gemini.py BASE_URL"""

import functools
import json
import sys

import pydantic
from google import genai
from google.genai import errors, types

from scenarios import KEY, equal, raises, run

MODEL = "gemini-3-flash-preview"


@functools.cache
def client(base_url, key=KEY, version="v1beta"):
    # Kept: one that is collected closes its connections under a running call.
    options = types.HttpOptions(base_url=base_url, api_version=version)
    return genai.Client(api_key=key, http_options=options)


def generate(base_url, text, model=MODEL, **config):
    made = types.GenerateContentConfig(**config)
    return client(base_url).models.generate_content(model=model, contents=text, config=made)


def function(name, **properties):
    schema = types.Schema(type="OBJECT", properties=properties)
    return types.FunctionDeclaration(name=name, description=name, parameters=schema)


TOOLS = [
    types.Tool(
        function_declarations=[
            function("first", pod=types.Schema(type="STRING"), lines=types.Schema(type="INTEGER")),
            function("second", share=types.Schema(type="NUMBER")),
        ]
    )
]
NO_AUTOMATIC = types.AutomaticFunctionCallingConfig(disable=True)


def user(text):
    return types.Content(role="user", parts=[types.Part(text=text)])


def result(call, text):
    response = types.FunctionResponse(id=call.id, name=call.name, response={"output": text})
    return types.Part(function_response=response)


def with_tools(base_url, contents):
    return client(base_url).models.generate_content(
        model=MODEL,
        contents=contents,
        config=types.GenerateContentConfig(tools=TOOLS, automatic_function_calling=NO_AUTOMATIC),
    )


def plain_answer(base_url):
    answer = generate(base_url, "say hello", system_instruction="be brief")
    equal(answer.text, "hello yourself")
    equal(answer.candidates[0].content.parts[0].thought, True)
    equal(answer.candidates[0].finish_reason, types.FinishReason.STOP)
    equal(answer.model_version, MODEL)
    usage = answer.usage_metadata
    equal(
        (usage.prompt_token_count, usage.cached_content_token_count, usage.candidates_token_count),
        (11, 4, 22),
    )
    equal((usage.thoughts_token_count, usage.total_token_count), (33, 66))


def steps_of_tools(base_url):
    contents = [user("one step after another")]
    signatures = []
    for name, says in [("first", "first tool says yes"), ("second", "second tool says no")]:
        answer = with_tools(base_url, contents)
        (part,) = answer.candidates[0].content.parts
        equal(part.function_call.name, name)
        signatures.append(part.thought_signature)
        contents.append(answer.candidates[0].content)
        contents.append(types.Content(role="user", parts=[result(part.function_call, says)]))
    equal(with_tools(base_url, contents).text, "both steps done")
    assert all(signatures) and signatures[0] != signatures[1], signatures


def parallel_tools(base_url):
    contents = [user("all at once")]
    answer = with_tools(base_url, contents)
    content = answer.candidates[0].content
    equal([part.thought_signature is not None for part in content.parts], [True, False, False])
    equal(answer.function_calls[0].args, {"pod": "web-1", "lines": 10})
    results = [result(call, "parallel tool says ok") for call in answer.function_calls]
    contents += [content, types.Content(role="user", parts=results)]
    equal(with_tools(base_url, contents).text, "all answers are here")
    short = contents[:-1] + [types.Content(role="user", parts=results[:2])]
    error = raises(errors.ClientError, lambda: with_tools(base_url, short))
    equal((error.code, error.status), (400, "INVALID_ARGUMENT"))
    content.parts[0].thought_signature = None
    error = raises(errors.ClientError, lambda: with_tools(base_url, contents))
    assert "missing a thought_signature" in error.message, error.message


def automatic_tools(base_url):
    called = []

    def first(pod: str, lines: int) -> str:
        """The first tool."""
        called.append((pod, lines))
        return "first tool says yes"

    def second(share: float, names: list[str]) -> str:
        """The second tool."""
        called.append((share, names))
        return "second tool says no"

    answer = generate(base_url, "one step after another", tools=[first, second])
    equal(answer.text, "both steps done")
    equal(called, [("web-1", 10), (0.5, ["a", "b"])])


def bad_arguments(base_url):
    answer = with_tools(base_url, [user("bad arguments")])
    equal(answer.candidates[0].finish_reason, types.FinishReason.MALFORMED_FUNCTION_CALL)
    equal(answer.candidates[0].content, None)


class Opinion(pydantic.BaseModel):
    promote: bool
    confidence: int
    findings: list[str]


def structured_output(base_url):
    expected = Opinion(promote=True, confidence=99, findings=["0a1b2c3d"])
    text = "verdict: abort, finding 0a1b2c3d, in a schema"
    to_json = {"response_mime_type": "application/json"}
    answer = generate(base_url, text, response_schema=Opinion, **to_json)
    equal(answer.parsed, expected)
    schema = Opinion.model_json_schema()
    answer = generate(base_url, text, response_json_schema=schema, **to_json)
    equal(json.loads(answer.text), expected.model_dump())


def tools_with_json_on_2_5(base_url):
    def asked():
        generate(
            base_url,
            "say hello",
            model="gemini-2.5-flash",
            tools=TOOLS,
            response_mime_type="application/json",
        )

    error = raises(errors.ClientError, asked)
    equal((error.code, error.status), (400, "INVALID_ARGUMENT"))


def stream(base_url):
    answers = list(
        client(base_url).models.generate_content_stream(model=MODEL, contents="as a stream")
    )
    assert len(answers) > 3, answers
    equal(
        "".join(answer.text or "" for answer in answers),
        "a longer text, which comes in several pieces: ä, ö, ü and the rest of it",
    )
    equal(answers[-1].candidates[0].finish_reason, types.FinishReason.STOP)
    equal(answers[-1].usage_metadata.total_token_count, 66)


def stopped_answers(base_url):
    answer = generate(base_url, "too long")
    equal(answer.text, '{"verdict": "pro')
    equal(answer.candidates[0].finish_reason, types.FinishReason.MAX_TOKENS)
    answer = generate(base_url, "unsafe answer")
    equal(answer.text, None)
    equal(answer.candidates[0].finish_reason, types.FinishReason.SAFETY)


def blocked_prompt(base_url):
    answer = generate(base_url, "unsafe prompt")
    equal(answer.candidates, None)
    equal(answer.prompt_feedback.block_reason, types.BlockedReason.PROHIBITED_CONTENT)


def rate_limits(base_url):
    for text, quota, delay in [
        ("too fast", "PerMinute", "17.5s"),
        ("too fast in an array", "PerMinute", "0.4s"),
        ("no more today", "PerDay", None),
    ]:
        error = raises(errors.ClientError, lambda: generate(base_url, text))
        equal((error.code, error.status), (429, "RESOURCE_EXHAUSTED"))
        details = {
            detail["@type"].rsplit(".", 1)[-1]: detail for detail in error.details["error"]["details"]
        }
        assert quota in details["QuotaFailure"]["violations"][0]["quotaId"], details
        equal(details.get("RetryInfo", {}).get("retryDelay"), delay)


def failures(base_url):
    error = raises(errors.ServerError, lambda: generate(base_url, "overloaded"))
    equal((error.code, error.status), (503, "UNAVAILABLE"))
    error = raises(errors.ClientError, lambda: generate(base_url, "retired"))
    equal((error.code, error.status), (404, "NOT_FOUND"))
    error = raises(errors.ClientError, lambda: generate(base_url, "hello", model="gemini-0"))
    equal((error.code, error.status), (404, "NOT_FOUND"))

    def asked():
        client(base_url, "wrong").models.generate_content(model=MODEL, contents="hello")

    error = raises(errors.ClientError, asked)
    equal(error.code, 400)
    equal(error.details["error"]["details"][0]["reason"], "API_KEY_INVALID")


def list_of_models(base_url):
    # At v1 both APIs have their lists.
    for version in ["v1beta", "v1"]:
        names = [model.name for model in client(base_url, version=version).models.list()]
        assert f"models/{MODEL}" in names, names


if __name__ == "__main__":
    run(
        [
            plain_answer,
            steps_of_tools,
            parallel_tools,
            automatic_tools,
            bad_arguments,
            structured_output,
            tools_with_json_on_2_5,
            stream,
            stopped_answers,
            blocked_prompt,
            rate_limits,
            failures,
            list_of_models,
        ],
        sys.argv[1],
    )
