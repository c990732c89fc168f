"""OpenAI's official SDK against the stand-in: openai_sdk.py BASE_URL"""

import json
import sys

import openai
import pydantic

from scenarios import KEY, equal, raises, run

MODEL = "gpt-5-mini"


def client(base_url, key=KEY):
    return openai.OpenAI(api_key=key, base_url=base_url, max_retries=0)


def user(text):
    return {"role": "user", "content": text}


def chat(base_url, text, **more):
    more = {"model": MODEL, "messages": [user(text)], **more}
    return client(base_url).chat.completions.create(**more)


def function(name, properties):
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    described = {"name": name, "description": name, "parameters": parameters, "strict": True}
    return {"type": "function", "function": described}


TOOLS = [
    function("first", {"pod": {"type": "string"}, "lines": {"type": "integer"}}),
    function("second", {"share": {"type": "number"}}),
]


def plain_answer(base_url):
    answer = chat(base_url, "say hello")
    equal(answer.choices[0].message.content, "hello yourself")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.model, MODEL)
    usage = answer.usage
    equal((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (11, 55, 66))
    equal(usage.completion_tokens_details.reasoning_tokens, 33)
    equal(usage.prompt_tokens_details.cached_tokens, 4)


def steps_of_tools(base_url):
    messages = [user("one step after another")]
    for name, says in [("first", "first tool says yes"), ("second", "second tool says no")]:
        answer = chat(base_url, "", messages=messages, tools=TOOLS)
        equal(answer.choices[0].finish_reason, "tool_calls")
        (call,) = answer.choices[0].message.tool_calls
        equal(call.function.name, name)
        messages.append(answer.choices[0].message)
        messages.append({"role": "tool", "tool_call_id": call.id, "content": says})
    answer = chat(base_url, "", messages=messages, tools=TOOLS)
    equal(answer.choices[0].message.content, "both steps done")


def parallel_tools(base_url):
    messages = [user("all at once")]
    message = chat(base_url, "", messages=messages, tools=TOOLS).choices[0].message
    equal([call.function.name for call in message.tool_calls], ["first", "second", "second"])
    equal(json.loads(message.tool_calls[0].function.arguments), {"pod": "web-1", "lines": 10})
    messages.append(message)
    for call in message.tool_calls:
        said = "parallel tool says ok"
        messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
    answer = chat(base_url, "", messages=messages, tools=TOOLS)
    equal(answer.choices[0].message.content, "all answers are here")
    error = raises(
        openai.BadRequestError,
        lambda: chat(base_url, "", messages=messages[:-1], tools=TOOLS),
    )
    assert "did not have response messages" in error.message, error.message


def bad_arguments(base_url):
    (call,) = chat(base_url, "bad arguments", tools=TOOLS).choices[0].message.tool_calls
    raises(json.JSONDecodeError, lambda: json.loads(call.function.arguments))


class Opinion(pydantic.BaseModel):
    promote: bool
    confidence: int
    findings: list[str]


def structured_output(base_url):
    text = "verdict: abort, finding 0a1b2c3d, in a schema"
    answer = client(base_url).chat.completions.parse(
        model=MODEL, messages=[user(text)], response_format=Opinion
    )
    expected = Opinion(promote=True, confidence=99, findings=["0a1b2c3d"])
    equal(answer.choices[0].message.parsed, expected)
    loose = {"name": "opinion", "strict": True, "schema": Opinion.model_json_schema()}
    error = raises(
        openai.BadRequestError,
        lambda: chat(
            base_url, text, response_format={"type": "json_schema", "json_schema": loose}
        ),
    )
    equal(error.param, "response_format")


def stream(base_url):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(chat(base_url, "as a stream", **options))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert len(texts) > 3, texts
    equal(
        "".join(texts),
        "a longer text, which comes in several pieces: ä, ö, ü and the rest of it",
    )
    equal(chunks[-2].choices[0].finish_reason, "stop")
    equal(chunks[-1].usage.total_tokens, 66)


def stream_of_tools(base_url):
    with client(base_url).chat.completions.stream(
        model=MODEL, messages=[user("all at once")], tools=TOOLS
    ) as events:
        calls = events.get_final_completion().choices[0].message.tool_calls
    equal([call.function.name for call in calls], ["first", "second", "second"])
    equal(json.loads(calls[0].function.arguments), {"pod": "web-1", "lines": 10})


def stopped_answers(base_url):
    equal(chat(base_url, "too long").choices[0].finish_reason, "length")
    equal(chat(base_url, "unsafe answer").choices[0].finish_reason, "content_filter")


def blocked_prompt(base_url):
    error = raises(openai.BadRequestError, lambda: chat(base_url, "unsafe prompt"))
    equal(error.code, "invalid_prompt")


def rate_limits(base_url):
    error = raises(openai.RateLimitError, lambda: chat(base_url, "too fast"))
    equal((error.status_code, error.code), (429, "rate_limit_exceeded"))
    headers = error.response.headers
    equal((headers["retry-after"], headers["retry-after-ms"]), ("18", "17500"))
    error = raises(openai.RateLimitError, lambda: chat(base_url, "no more today"))
    equal((error.code, error.type), ("insufficient_quota", "insufficient_quota"))


def failures(base_url):
    error = raises(openai.InternalServerError, lambda: chat(base_url, "overloaded"))
    equal(error.status_code, 503)
    error = raises(openai.NotFoundError, lambda: chat(base_url, "retired"))
    equal(error.code, "model_not_found")
    error = raises(openai.NotFoundError, lambda: chat(base_url, "hello", model="gpt-0"))
    equal(error.code, "model_not_found")

    def asked():
        client(base_url, "wrong").chat.completions.create(model=MODEL, messages=[user("hello")])

    equal(raises(openai.AuthenticationError, asked).code, "invalid_api_key")


def list_of_models(base_url):
    names = [model.id for model in client(base_url).models.list()]
    assert MODEL in names, names


if __name__ == "__main__":
    run(
        [
            plain_answer,
            steps_of_tools,
            parallel_tools,
            bad_arguments,
            structured_output,
            stream,
            stream_of_tools,
            stopped_answers,
            blocked_prompt,
            rate_limits,
            failures,
            list_of_models,
        ],
        sys.argv[1],
    )
