"""A chat template that does not end is stopped, and one that has ended is left alone."""

from __future__ import annotations

import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.text.templates.chat_template import ChatTemplate
from support.serving.programs import python

FOREVER = "".join("{% for " + name + " in range(99999) %}" for name in "abcd") + "{% endfor %}" * 4


def render(source: str, **options: Any) -> str:
    return ChatTemplate(source, special_tokens={}).render([{"role": "user", "content": "x"}], **options)


@pytest.mark.parametrize(
    "source", [FOREVER, "{{ lipsum(n=1000000000) }}", "{% for x in [1] | slice(10**12) %}{% endfor %}"]
)
def test_a_template_without_end_is_stopped_and_its_thread_lives_on(source: str) -> None:
    endless, quick = ChatTemplate(source, special_tokens={}), ChatTemplate("ok", special_tokens={})
    messages = [{"role": "user", "content": "x"}]

    def attempt() -> tuple[int, str | None]:
        try:
            endless.render(messages, timeout=0.1)
        except RequestError as error:
            return threading.get_ident(), error.code
        return threading.get_ident(), None

    with ThreadPoolExecutor(1) as pool:
        worker, code = pool.submit(attempt).result()
        assert code == "chat_template_timeout"
        assert pool.submit(lambda: (threading.get_ident(), quick.render(messages))).result() == (worker, "ok")
        assert pool.submit(attempt).result() == (worker, "chat_template_timeout")


def test_short_and_long_limits_side_by_side() -> None:
    """A short limit is kept although the watchdog already sleeps towards a later one."""
    messages = [{"role": "user", "content": "x"}]
    endless, quick = ChatTemplate(FOREVER, special_tokens={}), ChatTemplate("ok", special_tokens={})
    assert quick.render(messages, timeout=1000) == "ok"

    def attempt(timeout: float) -> str | None:
        with pytest.raises(RequestError) as caught:
            endless.render(messages, timeout=timeout)
        return caught.value.code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(attempt, [0.3, 0.05, 0.2, 0.1])) == {"chat_template_timeout"}


def test_a_template_is_stopped_although_something_swallows_the_first_attempt() -> None:
    def stubborn() -> str:
        try:
            while True:
                sum(range(100))
        except BaseException:  # as destructors and garbage collector callbacks do
            return ""

    with pytest.raises(RequestError) as caught:
        render("{{ stubborn() }}" + FOREVER, timeout=0.05, kwargs={"stubborn": stubborn})
    assert caught.value.code == "chat_template_timeout"


def test_a_render_that_finishes_at_its_deadline_is_not_hit_later() -> None:
    template = ChatTemplate("{% for a in range(3000) %}{% endfor %}ok", special_tokens={})
    messages = [{"role": "user", "content": "x"}]

    def run(worker: int) -> set[str]:
        outcomes = set()
        for attempt in range(300):
            try:
                outcomes.add(template.render(messages, timeout=1e-6 * ((attempt * 7 + worker) % 400)))
            except RequestError as error:
                outcomes.add(error.code or "")
            sum(range(200))  # a stray exception would surface here
            [None for _ in range(200)]
        return outcomes

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    gc.disable()  # its callbacks would report what they swallow
    try:
        with ThreadPoolExecutor(4) as pool:
            outcomes = set().union(*pool.map(run, range(4)))
    finally:
        sys.setswitchinterval(interval)
        gc.enable()
    assert outcomes == {"ok", "chat_template_timeout"}


def test_what_was_stopped_leaves_the_interpreter_as_it_was() -> None:
    """CPython checks a flag at every call and loop; one left set slows the process, and keeps traced calls waiting."""
    python(
        """
        import sys
        from frameworkctl.errors import RequestError
        from frameworkctl.text.templates.chat_template import ChatTemplate

        template = ChatTemplate("{% for a in range(2000) %}{% endfor %}ok", special_tokens={})
        expired = 0
        for attempt in range(600):
            try:
                template.render([{"role": "user", "content": "x"}], timeout=1e-6 * (attempt % 300))
            except RequestError:
                expired += 1
        assert 0 < expired
        sys.settrace(lambda *event: None)
        (lambda: None)()  # never starts in a process whose flag stays set
        """
    )
