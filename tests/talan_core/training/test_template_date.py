"""A chat template that writes the date writes one fixed date, whatever the clock says, in training and answering."""

from __future__ import annotations

import datetime as dt

import pytest
from transformers.utils import chat_template_utils

from talan_core.training.data import Example, encode
from talan_core.training.rendering import render_prompt
from talan_core.training.template_date import fix_date, reads_date, with_date

DATE = dt.date(2024, 7, 26)
BODY = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<end>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
CLOCK = "\n  Now: {{ strftime_now('%d %b %Y %H:%M') }}\n" + BODY
LLAMA_32 = (
    "{%- if not date_string is defined %}\n    {%- if strftime_now is defined %}\n"
    '        {%- set date_string = strftime_now("%d %b %Y") %}\n    {%- else %}\n'
    '        {%- set date_string = "26 Jul 2024" %}\n    {%- endif %}\n{%- endif %}\n'
    "Today Date: {{ date_string }}\n" + BODY
)
LLAMA_31 = (
    '{%- if not date_string is defined %}\n{%- set date_string = "26 Jul 2024" %}\n{%- endif %}\n{{ date_string }}'
    + BODY
)
INSIDE = (
    "{% macro head() %}{{ strftime_now('%Y-%m-%d') }} {% endmacro %}{% for _ in messages[:1] %}{{ head() }}{% endfor %}"
    + BODY
)


class Clock(dt.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2031, 2, 3, 4, 5, tzinfo=tz)


@pytest.fixture
def another_day(monkeypatch):
    return lambda: monkeypatch.setattr(chat_template_utils, "datetime", Clock)


@pytest.mark.parametrize("template", [CLOCK, LLAMA_32, LLAMA_31, INSIDE])
def test_the_fixed_date_is_written_and_nothing_else_changes(tokenizer, another_day, template):
    assert reads_date(template)
    tokenizer.chat_template = template
    another_day()
    by_the_clock = render_prompt(tokenizer, "2+2=")
    fix_date(tokenizer, dt.date(2031, 2, 3))
    fixed = render_prompt(tokenizer, "2+2=").replace("00:00", "04:05")
    assert fixed == by_the_clock.replace("26 Jul 2024", "03 Feb 2031")
    assert "2031" in fixed


@pytest.mark.parametrize("template", [CLOCK, LLAMA_32, INSIDE])
def test_a_day_that_passes_changes_no_prompt_and_no_training_sequence(tokenizer, another_day, template):
    sums = [Example("1+1=", "2", "sums")]
    tokenizer.chat_template = template
    unfixed = render_prompt(tokenizer, "2+2=")
    fix_date(tokenizer, DATE)
    fixed = render_prompt(tokenizer, "2+2=")
    trained = encode(tokenizer, sums, 200)
    another_day()
    assert render_prompt(tokenizer, "2+2=") == fixed
    assert encode(tokenizer, sums, 200) == trained
    asked = render_prompt(tokenizer, "1+1=")
    (example,) = trained.examples
    assert tokenizer.decode(example.input_ids[: example.prompt_length]) == asked  # both see the same date
    tokenizer.chat_template = template
    assert render_prompt(tokenizer, "2+2=") != unfixed  # control: without it the day shows


def test_every_directive_is_written_as_python_writes_it(tokenizer):
    date, directives = dt.date(2024, 7, 6), "%% %d%m%Y %-d|%e|%^b|%B %A %j %y %H:%M:%S %p %% %%d 100%"
    tokenizer.chat_template = with_date("{{ strftime_now('" + directives + "') }}" + BODY, date)
    written = dt.datetime(2024, 7, 6).strftime(directives)  # noqa: DTZ001 - a template knows no time zone
    assert render_prompt(tokenizer, "?").startswith(written)


def test_a_template_without_a_date_stays_as_it_is(tokenizer):
    before = tokenizer.chat_template
    assert not reads_date(before)
    assert not reads_date(None)
    fix_date(tokenizer, DATE)
    assert tokenizer.chat_template == before
    tokenizer.chat_template = None
    fix_date(tokenizer, DATE)
    assert tokenizer.chat_template is None
    tokenizer.chat_template = {"default": before, "tool_use": CLOCK}
    fix_date(tokenizer, DATE)
    assert tokenizer.chat_template["default"] == before
    assert tokenizer.chat_template["tool_use"].endswith(CLOCK)
    assert len(tokenizer.chat_template["tool_use"]) > len(CLOCK)
