"""Plugins around the stages of a request: first result, not mine, wrapping, refusing, and the direct call."""

from __future__ import annotations

from typing import Any

import pytest
from frameworkctl.errors import RequestError
from frameworkctl.server.calls.stages import Stages
from support.plugged.fake_dists import FakeDists, source
from support.plugged.plugin_host import EchoFormatter, make_call, make_host

MODEL: Any = object()


def stages_with(dists: FakeDists, **modules: str) -> Any:
    """One distribution per module; they are loaded in the order of their names."""
    for name, text in modules.items():
        dists.add(name, {"plugins": {name: f"{name}_plugin"}}, {f"{name}_plugin": source(text)})
    return Stages(make_host(",".join(modules)))  # Any: these plugins answer with whatever shows who was asked


def test_nobody_there_the_endpoint_is_called_directly() -> None:
    host = make_host()
    stages: Any = Stages(host)
    call = make_call(b"body")
    assert stages.parse(call) == {"parsed": b"body"}
    assert stages.render("request", MODEL, call).items[0].prompt.text == "request"
    assert isinstance(stages.format("request", None, MODEL, call), EchoFormatter)
    assert stages.filters("request", MODEL, call) == []
    assert not host.manager.has_plugin("frameworkctl:core")


def test_a_stage_with_a_plugin_leaves_the_others_alone(dists: FakeDists) -> None:
    stages = stages_with(dists, a="@hookimpl\ndef parse_request(call):\n    return 'mine'")
    call = make_call()
    assert stages.parse(call) == "mine"
    assert stages.render("mine", MODEL, call).items[0].prompt.text == "mine"
    assert isinstance(stages.format("mine", None, MODEL, call), EchoFormatter)


def test_none_means_not_mine(dists: FakeDists) -> None:
    text = "@hookimpl\ndef parse_request(call):\n    return 'mine' if call.body == b'x' else None"
    stages = stages_with(dists, a=text)
    assert stages.parse(make_call(b"x")) == "mine"
    assert stages.parse(make_call(b"y")) == {"parsed": b"y"}


def test_what_is_false_but_not_none_is_an_answer(dists: FakeDists) -> None:
    assert stages_with(dists, a="@hookimpl\ndef parse_request(call):\n    return {}").parse(make_call()) == {}


def test_the_first_result_ends_the_chain(dists: FakeDists) -> None:
    """Later plugins come first, unless one asks for a place; core comes last, even after ``trylast``."""
    answer = "@hookimpl{how}\ndef parse_request(call):\n    return call.body.decode().find('{n}') < 0 and '{n}' or None"
    texts = {n: answer.format(n=n, how=how) for n, how in [("a", ""), ("b", "(trylast=True)"), ("c", "")]}
    texts["d"] = answer.format(n="d", how="(tryfirst=True)")
    stages = stages_with(dists, **texts)
    assert [stages.parse(make_call(b)) for b in (b"", b"d", b"cd", b"acd")] == ["d", "c", "a", "b"]
    assert stages.parse(make_call(b"abcd")) == {"parsed": b"abcd"}


@pytest.mark.parametrize("stage", ["parse_request", "render_prompt", "format_output"])
def test_every_stage_can_be_taken_over(stage: str, dists: FakeDists) -> None:
    stages = stages_with(dists, a=f"@hookimpl\ndef {stage}(call):\n    return 'taken over'")
    assert result_of(stages, stage) == "taken over"


@pytest.mark.parametrize("stage", ["parse_request", "render_prompt", "format_output"])
def test_a_wrapper_sees_what_the_endpoint_made_and_may_change_it(stage: str, dists: FakeDists) -> None:
    text = f"@hookimpl(wrapper=True)\ndef {stage}(call):\n    inner = yield\n    return ('wrapped', inner)"
    stages = stages_with(dists, a=text)
    kind, inner = result_of(stages, stage)
    assert kind == "wrapped"
    assert type(inner) is type(result_of(Stages(make_host()), stage))


def test_wrappers_stand_around_one_another_and_around_plain_ones(dists: FakeDists) -> None:
    wrap = "@hookimpl(wrapper=True)\ndef parse_request(call):\n    inner = yield\n    return '{n}(' + inner + ')'"
    plain = "@hookimpl\ndef parse_request(call):\n    return 'plain'"
    stages = stages_with(dists, a=wrap.format(n="a"), b=plain, c=wrap.format(n="c"))
    assert stages.parse(make_call()) == "c(a(plain))"


def test_a_wrapper_may_refuse_before_and_after(dists: FakeDists) -> None:
    text = """
    @hookimpl(wrapper=True)
    def parse_request(call):
        if call.body == b"early":
            raise RequestError("too early", param="body", status=403)
        request = yield
        if request["parsed"] == b"late":
            raise RequestError("too late", status=451)
        return request
    """
    stages = stages_with(dists, a=text)
    with pytest.raises(RequestError, match="too early") as caught:
        stages.parse(make_call(b"early"))
    assert (caught.value.status, caught.value.param) == (403, "body")
    with pytest.raises(RequestError, match="too late"):
        stages.parse(make_call(b"late"))
    assert stages.parse(make_call(b"fine")) == {"parsed": b"fine"}


def test_a_wrapper_may_mend_what_another_raised(dists: FakeDists) -> None:
    fails = "@hookimpl\ndef parse_request(call):\n    raise ValueError('inner')"
    mends = """
    @hookimpl(wrapper=True)
    def parse_request(call):
        try:
            return (yield)
        except ValueError:
            return "mended"
    """
    assert stages_with(dists, a=fails, b=mends).parse(make_call()) == "mended"


def test_all_that_is_documented_is_passed(dists: FakeDists) -> None:
    text = """
    @hookimpl
    def parse_request(call):
        return [call]

    @hookimpl
    def render_prompt(request, model, call):
        return [request, model, call]

    @hookimpl
    def format_output(request, work, model, call):
        return [request, work, model, call]

    @hookimpl
    def filter_output(request, model, call):
        return [request, model, call]
    """
    stages = stages_with(dists, a=text)
    call, work = make_call(), object()
    assert stages.parse(call) == [call]
    assert stages.render("r", MODEL, call) == ["r", MODEL, call]
    assert stages.format("r", work, MODEL, call) == ["r", work, MODEL, call]
    assert stages.filters("r", MODEL, call) == [["r", MODEL, call]]


class TestFilters:
    """They run in the order in which their plugins were loaded; None stays out."""

    def test_order(self, dists: FakeDists) -> None:
        texts = {n: f"@hookimpl\ndef filter_output(request):\n    return {n!r}" for n in ("b", "a", "c")}
        assert stages_with(dists, **texts).filters("r", MODEL, make_call()) == ["a", "b", "c"]

    def test_files_come_after_distributions_in_the_order_of_the_list(self, dists: FakeDists) -> None:
        text = "@hookimpl\ndef filter_output(request):\n    return {!r}"
        dists.add("acme", {"plugins": {"acme": "acme_plugin"}}, {"acme_plugin": source(text.format("acme"))})
        two, one = (dists.file(f"{n}.py", source(text.format(n))) for n in ("two", "one"))
        stages: Any = Stages(make_host(f"{two},acme,{one}"))
        assert stages.filters("r", MODEL, make_call()) == ["acme", "two", "one"]

    def test_none_stays_out(self, dists: FakeDists) -> None:
        text = "@hookimpl\ndef filter_output(request):\n    return request or None"
        stages = stages_with(dists, a=text)
        assert stages.filters("", MODEL, make_call()) == []
        assert stages.filters("r", MODEL, make_call()) == ["r"]

    def test_a_filter_alone_leaves_the_stages_direct(self, dists: FakeDists) -> None:
        stages = stages_with(dists, a="@hookimpl\ndef filter_output(request):\n    return 'f'")
        assert stages.parse(make_call(b"x")) == {"parsed": b"x"}


def result_of(stages: Any, stage: str) -> Any:
    call = make_call()
    if stage == "parse_request":
        return stages.parse(call)
    if stage == "render_prompt":
        return stages.render("r", MODEL, call)
    return stages.format("r", None, MODEL, call)
