"""Templates of requests in a worker: the text is that of the fast way, and none gets more than its limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.server.models import request_templates
from frameworkctl.server.models.request_templates import requested_template
from frameworkctl.text.templates.chat_template import ChatTemplate
from frameworkctl.text.templates.request_template import Rendering
from frameworkctl.workers.pool import WorkerPool

MESSAGES = [{"role": "user", "content": "hällo"}, {"role": "assistant", "content": "yes"}]
PLAIN = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{{ bos_token }}{{ x }}{{ documents | tojson }}"
)


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    pool = request_templates.template_workers()
    yield pool
    pool.close()


def rendered(workers: WorkerPool, template: str, **given: Any) -> str:
    values = {"messages": MESSAGES, "special_tokens": {"bos_token": "<s>"}, **given}
    return request_templates.render(workers, Rendering(template=template, **values))


def test_as_the_fast_way_renders(workers: WorkerPool) -> None:
    given: dict[str, Any] = {"documents": [{"title": "t"}], "kwargs": {"x": "!"}, "add_generation_prompt": False}
    fast = ChatTemplate(PLAIN, special_tokens={"bos_token": "<s>"}).render(MESSAGES, **given)
    assert fast.endswith('<s>![{"title": "t"}]')
    assert rendered(workers, PLAIN, **given) == fast


def test_contents_come_in_the_form_that_the_template_reads(workers: WorkerPool) -> None:
    parts = "{% for m in messages %}{% for p in m.content %}<{{ p.text }}>{% endfor %}{% endfor %}"
    assert rendered(workers, parts) == "<hällo><yes>"
    assert rendered(workers, "{{ messages[0].role }}", messages=[{"role": "developer", "content": "x"}]) == "system"


BOMBS = {
    "text times": "{{ 'x' * 10**10 }}",
    "join": "{% set s = 'x' * 10**7 %}{{ [s, s, s, s, s, s, s, s, s, s] * 1000 | join }}",
    "join filter": "{% set s = ['x' * 10**6] * 100000 %}{{ s | join }}",
    "list": "{{ ([0] * 10**8) | tojson }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "endless": "".join("{% for " + v + " in range(99999) %}" for v in "abcd") + "{% endfor %}" * 4,
    "deep": "{{ " + "(" * 100000 + "1" + ")" * 100000 + " }}",
    "long": "{% for i in range(20) %}{{ 'x' * 10**6 }}{% endfor %}",
    "not a template": "{% for %}",
    "out of the sandbox": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "raises": "{{ raise_exception('no') }}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_and_the_next_request_is_served(workers: WorkerPool, name: str) -> None:
    with pytest.raises(RequestError) as error:
        rendered(workers, BOMBS[name])
    assert (error.value.status, error.value.param) == (400, "chat_template")
    assert rendered(workers, "ok") == "ok"


def test_wrong_messages_name_their_place(workers: WorkerPool) -> None:
    with pytest.raises(RequestError) as error:
        rendered(workers, "x", messages=[{"role": "user", "content": [{"type": "odd"}]}])
    assert error.value.param == "messages[0].content[0].type"


def test_what_a_request_may_bring() -> None:
    assert requested_template(None, {"x": 1}, trusted=False) == (None, {"x": 1})
    assert requested_template("t", {"x": 1}, trusted=True) == ("t", {"x": 1})
    assert requested_template(None, {"chat_template": "t", "x": 1}, trusted=True) == ("t", {"x": 1})
    for template, kwargs, trusted, param in (
        ("t", None, False, "chat_template"),
        (None, {"chat_template": "t"}, False, "chat_template_kwargs.chat_template"),
        (None, {"chat_template": 5}, True, "chat_template_kwargs.chat_template"),
        (None, {"tokenize": False}, True, "chat_template_kwargs"),
    ):
        with pytest.raises(RequestError) as error:
            requested_template(template, kwargs, trusted=trusted)
        assert (error.value.status, error.value.param) == (400, param)
