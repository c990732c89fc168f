"""Runs scenarios: each is a function, and one that fails ends the script."""

import sys

KEY = "sdk-key"


def run(scenarios, base_url):
    """Runs each scenario with the base URL and says how many there were."""
    for scenario in scenarios:
        try:
            scenario(base_url)
        except BaseException:
            print(f"failed: {scenario.__name__}", file=sys.stderr)
            raise
        print(f"ok {scenario.__name__}")
    print(f"{len(scenarios)} scenarios")


def raises(kind, call):
    """The error of this kind that a call ends with."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def equal(actual, expected):
    """Fails with both values when they are not equal."""
    assert actual == expected, f"{actual!r} is not {expected!r}"
