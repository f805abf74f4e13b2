"""Free text as an argument of a step: only characters that the service has no reason to escape."""

from __future__ import annotations

import argparse
import re

import pytest

from azure_ml.pipelines.argument_text import packed, unpacked

TEXTS = ("", "none", "the new tariff", "a;b | c && d \\ 'e' \"f\" $(g) %h", "Zoë Müller", "text:eA", "--x")


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_arrives_as_it_was_sent(text: str) -> None:
    assert unpacked(packed(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_that_a_shell_or_the_service_escapes_travels(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", packed(text))


@pytest.mark.parametrize("plain", ["none", "the new tariff", "Ada Lovelace", ""])
def test_a_plain_text_of_an_earlier_version_or_a_caller_over_rest_is_taken_as_it_is(plain: str) -> None:
    assert unpacked(plain) == plain


@pytest.mark.parametrize("broken", ["base64_A", "base64_*", "base64__w", "base64_YQ="])
def test_a_packed_text_that_was_changed_is_refused(broken: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="cannot be unpacked"):
        unpacked(broken)
