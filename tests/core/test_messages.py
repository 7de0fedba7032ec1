"""Messages and their parts: what is taken for one, what is read of images and documents, and the way through texts."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName
from core.errors import Invalid
from core.messages import (
    Media,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    leaves,
    mapped,
    media_of,
    plain,
    text_bytes,
    texts_of,
)
from core.messages.media import MOST_MEDIA, MOST_PAGES, media_as_sent, pages_in
from core.providers import Unreadable
from core.providers._media import image_tokens, likely_image_tokens, media_tokens
from core.providers._messages import in_chat, in_dialect
from core.requests import GenerationRequest, filled, messages_of
from tests import files

LINK = "https://files.example.com/invoice.png?signature=abc"


def read(*parts: Any, role: str = "user") -> Message:
    """Return the message that these parts become."""
    return messages_of(GenerationRequest(schema="s", messages=[{"role": role, "content": list(parts)}, USER]))[0]


USER = {"role": "user", "content": "Read it."}

_texts = st.builds(Text, st.text(max_size=8))
_media = st.builds(Media, kind=st.just("document"), media_type=st.just("application/pdf"), name=st.text(max_size=4))
_parts = st.lists(_texts | _media, max_size=4).map(tuple)
_messages = st.lists(st.builds(Message, st.sampled_from(["system", "user"]), _parts), max_size=4)


@given(_messages, st.text(max_size=3))
def test_every_text_is_met_once_and_the_rest_stays(messages: list[Message], mark: str) -> None:
    """What is mapped is what is listed, in its order; parts keep their places, and what is the same is not copied."""
    changed = mapped(messages, lambda text, _: text + mark)
    written = [part.text if isinstance(part, Text) else part.name for one in messages for part in one.parts]
    named = [isinstance(part, Text) or bool(part.name) for one in messages for part in one.parts]

    assert list(texts_of(messages)) == [text for text, is_text in zip(written, named, strict=True) if is_text]
    assert list(texts_of(changed)) == [text + mark for text in texts_of(messages)]
    assert [[type(part) for part in one.parts] for one in changed] == [[type(p) for p in one.parts] for one in messages]
    assert [one.data for one in media_of(changed)] == [one.data for one in media_of(messages)]
    assert text_bytes(messages) == sum(len(text.encode()) for text in texts_of(messages))
    assert all(new is old for new, old in zip(mapped(messages, lambda text, _: text), messages, strict=True))


_values = st.recursive(
    st.text(max_size=3) | st.integers() | st.none(),
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.text(max_size=3), one, max_size=2),
)
_leaves = (
    _texts
    | _media
    | st.builds(ToolCall, st.just("c1"), st.just("look"), _values)
    | st.builds(Reasoning, st.text(max_size=3), st.text(max_size=3))
    | st.builds(Opaque, st.just("odd"), _values)
)
_any_parts = st.lists(
    _leaves | st.builds(ToolResult, st.just("c1"), st.lists(_leaves, max_size=2).map(tuple)), max_size=3
)


@given(
    st.lists(st.builds(Message, st.just("user"), _any_parts.map(tuple)), max_size=3), st.text(min_size=1, max_size=3)
)
def test_calls_results_thoughts_and_unknown_parts_are_met_too(messages: list[Message], mark: str) -> None:
    """No text of any part is passed over, in whatever it stands; what is the same is not copied; JSON can say it."""
    met: list[str] = []
    changed = mapped(messages, lambda text, _: met.append(text) or text)
    marked = mapped(messages, lambda text, _: text + mark)

    assert met == list(texts_of(messages))
    assert all(new is old for new, old in zip(changed, messages, strict=True))
    assert len(list(leaves(marked))) == len(list(leaves(messages)))
    assert text_bytes(marked) >= text_bytes(messages)
    if all(text for text in texts_of(messages)):  # two names of an object that is changed may become one
        assert len(list(texts_of(marked))) <= len(met)
    written = json.dumps([plain(one) for one in messages], ensure_ascii=False)
    assert all(json.dumps(text, ensure_ascii=False)[1:-1] in written for text in met)
    assert json.dumps([plain(one, whole=False) for one in messages])


@pytest.mark.parametrize(
    "part",
    [ToolCall("c", "f", {}), ToolResult("c", (Text("x"),)), Reasoning("x"), Opaque("odd", 1),
     Media(kind="audio", media_type="audio/wav"), Media(kind="document", media_type="", file_id="f")],
)  # fmt: skip
def test_a_request_for_an_object_carries_no_conversation_with_tools(part: Part) -> None:
    """It is refused before anything is sent, in one sentence."""
    with pytest.raises(Unreadable, match="texts, images and documents"):
        in_dialect(Message("user", (part, Text("x"))), in_chat)


@pytest.mark.parametrize(
    ("media", "tokens"),
    [
        (Media(kind="audio", media_type="audio/wav", seconds=10), 320),
        (Media(kind="audio", media_type="audio/mp3", file_id="f"), 48_000),
    ],
)
def test_a_sound_is_held_by_its_length(media: Media, tokens: int) -> None:
    """Where that is not known, it is as long as may be."""
    assert media_tokens([Message("user", (media,))], "openai", "gpt-x").most == tokens


def test_what_a_vendor_is_sent_as_it_is_is_measured_as_far_as_it_can_be() -> None:
    """Data that nobody here knows is not refused: whether it is sound is the vendor's to say. Links inward are."""
    wav = b"RIFF\0\0\0\0WAVEfmt " + bytes(12) + (32_000).to_bytes(4, "little") + bytes(64_000)
    sound = media_as_sent("audio", "'x'", media_type="audio/wav", data=b64encode(wav).decode())
    assert sound.seconds == 3
    assert media_as_sent("image", "'x'", media_type="image/heic", data="AAAA").width == 0
    assert media_as_sent("image", "'x'", media_type="image/png", data="A").size_bytes == 0
    assert media_as_sent("image", "'x'", data=b64encode(files.image("webp", 30, 20)).decode()).width == 30
    assert media_as_sent("image", "'x'", url="gs://bucket/a.png").url == "gs://bucket/a.png"
    for inward in (
        "http://10.0.0.1/a",
        "https://localhost/a",
        "file:///etc/passwd",
        "https://[::1]/",
        "ftp://x.org/a",
        "//",
    ):
        with pytest.raises(Invalid, match="'x'"):
            media_as_sent("image", "'x'", url=inward)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif"])
def test_an_image_is_measured(kind: str) -> None:
    """An image is known by its type, pixels, bytes and hash; and it is written as it came."""
    content = files.image(kind, 640, 480)
    given_part = files.part(content, f"image/{kind}")
    message = read({"type": "text", "text": "What is this?"}, given_part)

    [media] = media_of([message])
    assert (media.width, media.height, media.size_bytes) == (640, 480, len(content))
    assert media.summary() == {
        "type": "image",
        "media_type": f"image/{kind}",
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": 640,
        "height": 480,
    }
    assert plain(message)["content"] == [{"type": "text", "text": "What is this?"}, given_part]
    assert given_part["data"] not in repr(message)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("pages", [1, 3, 40])
def test_the_pages_of_a_document_are_counted(pages: int, *, compressed: bool) -> None:
    """Pages are counted in plain sight and in compressed objects; the tree of pages is none."""
    [media] = media_of([read(files.part(files.pdf(pages, compressed=compressed), "application/pdf", name="a.pdf"))])
    assert (media.pages, media.name) == (pages, "a.pdf")


def test_a_document_that_hides_its_pages_has_as_many_as_there_may_be() -> None:
    """Who cannot count holds money for the most, not for none."""
    assert pages_in(b"%PDF-1.7 nothing to see") == MOST_PAGES
    assert pages_in(files.pdf(MOST_PAGES + 1)) == MOST_PAGES


@given(st.binary(max_size=300), st.lists(st.sampled_from([b"/ObjStm", b"stream", b"endstream", b"/Type /Page"])))
def test_any_document_is_counted(noise: bytes, words: list[bytes]) -> None:
    """Whatever stands in a document, there is a number of pages."""
    assert 1 <= pages_in(b"%PDF-" + noise.join(words)) <= MOST_PAGES


def test_a_link_is_kept_to_itself() -> None:
    """A link may be signed: what is kept of it for ever is its host."""
    [media] = media_of([read({"type": "image", "url": LINK})])
    assert media.summary() == {"type": "image", "host": "files.example.com"}
    assert "signature" not in repr(media)


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.com/a.png",
        "https://",
        "file:///etc/passwd",
        "https://localhost/a.png",
        "https://server/a.png",
        "https://127.0.0.1/a.png",
        "https://10.1.2.3/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.png",
        "https://[fd00::1]/a.png",
        "https://127.1/a.png",
        "https://0x7f.0.0.1/a.png",
        "https://2130706433/a.png",
        "https://printer.local/a.png",
        "https://metadata.google.internal/a.png",
        "https://metadata.google.internal./a.png",
        "https://files.example.com:8443/a.png",
        "https://user:secret@files.example.com/a.png",
        "https://files.example.com/" + "a" * 3000,
        "https://files.example.com/a\nb.png",
        "https://[files",
    ],
)
def test_a_link_that_nobody_should_follow_is_refused(url: str) -> None:
    """Only public https links go to a vendor; the sentence says where it stands and does not repeat the link."""
    with pytest.raises(Invalid, match=r"^messages\[0\]\.content\[0\]\.url ") as refused:
        read({"type": "document", "url": url})
    assert url.removeprefix("https://") not in refused.value.message or url == "https://"


PNG = files.part(files.image(), "image/png")


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("text", "content[0] is an object with a 'type'."),
        ({}, "content[0].type is one of text, image, document; this is 'None'."),
        ({"type": "video"}, "this is 'video'."),
        ({"type": "text", "text": " "}, "content[0].text is a text that is not empty."),
        ({"type": "text", "text": 3}, "content[0].text is a text."),
        ({"type": "image", "text": "a"}, "content[0].text is no field of image; there are media_type, data, url."),
        ({"type": "image", "media_type": "image/png"}, "needs either 'data', in base64, or 'url'"),
        (PNG | {"url": LINK}, "not both and not neither"),
        (PNG | {"media_type": "image/tiff"}, "media_type is one of image/png, image/jpeg, image/webp, image/gif"),
        (PNG | {"media_type": "image/jpeg"}, "says that it is image/jpeg, but its data cannot be read as that."),
        (PNG | {"data": PNG["data"][:40]}, "but its data cannot be read as that."),
        (PNG | {"data": "data:image/png;base64," + PNG["data"]}, "content[0].data is not base64"),
        (files.part(b"", "image/png") | {"data": "===="}, "content[0].data is not base64"),
        (files.part(b"<html>", "application/pdf"), "its data does not begin like one."),
        (files.part(files.pdf(), "application/pdf", name="a\nb"), "content[0].name is a file's name"),
    ],
)
def test_what_is_no_part_is_refused_with_its_place(part: Any, sentence: str) -> None:
    """One sentence names the place, what is wrong, and what would be right."""
    with pytest.raises(Invalid) as refused:
        read(part)
    assert sentence in refused.value.message
    assert refused.value.message.startswith("messages[0].content[0]")


def test_only_the_user_shows_something() -> None:
    """No vendor takes an image from the system or from the assistant."""
    with pytest.raises(Invalid, match="only messages of the role user hold images and documents"):
        read(PNG, role="assistant")
    with pytest.raises(Invalid, match=f"at most {MOST_MEDIA} images and documents; this has {MOST_MEDIA + 1}"):
        read(*[{"type": "image", "url": LINK}] * (MOST_MEDIA + 1))


# ── A prompt with variables ───────────────────────────────────────────────────────────────────────────────────────────


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True), st.text(max_size=20), max_size=4))
def test_a_variable_stands_where_it_is_named(variables: dict[str, str]) -> None:
    """A value is put in as it is, and what looks like a name in a value is none."""
    prompt = "|".join(f"{{{{ {name} }}}}" for name in variables)
    assert filled(prompt, variables) == "|".join(variables.values())


@pytest.mark.parametrize(
    ("prompt", "variables", "text"),
    [
        ("Read {{a}}.", {"a": "{{b}}"}, "Read {{b}}."),
        ("{{a}} {{a}}", {"a": 1}, "1 1"),
        ("{{a}}", {"a": {"b": [None, True]}}, '{"b":[null,true]}'),
        ("{ {a} } {{ 1 }} {{}}", {}, "{ {a} } {{ 1 }} {{}}"),
    ],
)
def test_a_prompt_is_filled(prompt: str, variables: dict[str, Any], text: str) -> None:
    """Texts go in as they are, all else as JSON; braces around anything but a name are braces."""
    [message] = messages_of(GenerationRequest(schema="s", prompt=prompt, variables=variables))
    assert (message.role, message.text) == ("user", text)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"prompt": "Read {{a}}."}, "names {{a}}, and 'variables' does not give it."),
        ({"prompt": "Read.", "variables": {"a": "b"}}, "variables.a is given, and the prompt does not name it"),
        ({"prompt": "{{a}}", "variables": {"a": object()}}, "variables.a is a text, or anything that JSON can say."),
        ({"prompt": "{{a}}", "variables": {"a": " "}}, "The prompt is a text that is not empty."),
        ({"prompt": "{{a}}", "variables": {"a": "\ud800"}}, "The prompt is not valid Unicode"),
        ({"input": "a", "variables": {"a": "b"}}, "'variables' belong to a 'prompt'"),
        ({"input": "a", "prompt": "b"}, "exactly one of them"),
    ],
)
def test_a_prompt_that_cannot_be_filled_says_why(asked: dict[str, Any], sentence: str) -> None:
    """A name without a value, a value without a name, and a prompt beside an input are mistakes."""
    with pytest.raises(Invalid) as refused:
        messages_of(GenerationRequest(schema="s", **asked))
    assert sentence in refused.value.message


# ── What they weigh ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("width", "height", "dialect", "model", "published"),
    [
        (1024, 1024, "openai", "gpt-4o", 765),  # OpenAI: 4 tiles, 85 + 4 x 170
        (2048, 4096, "openai", "gpt-4o", 1105),  # OpenAI: 6 tiles
        (4096, 8192, "openai", "gpt-4o", 1105),
        (512, 512, "openai", "gpt-4o-mini", 8500),  # 2833 + 5667
        (1024, 1024, "openai", "gpt-5", 630),  # 70 + 4 x 140
        (1024, 1024, "openai", "gpt-4.1-mini", 1659),  # 1,024 patches x 1.62
        (1800, 2400, "openai", "gpt-5-nano", 3562),  # OpenAI: 1,448 patches after it was made smaller, x 2.46
        (200, 200, "anthropic", "claude-haiku-4-5", 54),
        (1000, 1000, "anthropic", "claude-haiku-4-5", 1334),
        (1092, 1092, "anthropic", "claude-haiku-4-5", 1590),
        (2000, 1500, "anthropic", "claude-opus-4-7", 4000),
        (3840, 2160, "anthropic", "claude-opus-4-7", 4784),
        (1024, 1024, "compatible", "qwen2-vl", 1369),  # 37 x 37 patches
    ],
)
def test_no_image_takes_more_than_is_held_for_it(
    width: int, height: int, dialect: str, model: str, published: int
) -> None:
    """What vendors publish for an image is never more than what is held for it, and about what is told beforehand."""
    assert image_tokens(width, height, dialect, model) >= published
    assert published / 2 <= likely_image_tokens(width, height, dialect, model) <= published * 2


@pytest.mark.parametrize(
    ("detail", "dialect", "model", "base"),
    [
        ("low", "openai", "gpt-4o", 85),
        ("low", "openai", "gpt-4o-mini", 2833),
        ("low", "openai", "o3", 75),
        ("low", "openai", "gpt-5", 70),
        ("low", "openai", "gpt-5-mini", None),
        ("low", "openai", "gpt-5.6", None),
        ("low", "compatible", "gpt-4o", None),
        ("low", "anthropic", "claude-haiku-4-5", None),
        ("high", "openai", "gpt-4o", None),
        ("auto", "openai", "gpt-4o", None),
        ("", "openai", "gpt-4o", None),
    ],
)
@pytest.mark.parametrize("door", ["chat", "responses"])
def test_an_image_of_low_detail_is_held_by_what_is_published_of_it(
    door: str, detail: str, dialect: str, model: str, base: int | None
) -> None:
    """Whatever its size; where nothing is published of low detail, it weighs what it weighs without the word."""
    said = {"detail": detail} if detail else {}
    if door == "chat":
        content: Any = [{"type": "image_url", "image_url": {"url": LINK, **said}}]
        body: Any = {"model": model, "messages": [{"role": "user", "content": content}]}
    else:
        content = [{"type": "input_image", "image_url": LINK, **said}]
        body = {"model": model, "input": [{"role": "user", "content": content}]}
    messages = DIALECTS[DialectName(door)].read(json.dumps(body).encode()).messages
    weighed = media_tokens(messages, dialect, model)
    assert weighed.most == (base or image_tokens(20_000, 20_000, dialect, model))
    assert weighed.likely == (base or likely_image_tokens(1024, 1024, dialect, model))


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "compatible"])
def test_what_is_not_known_is_the_most(dialect: str) -> None:
    """An image behind a link weighs no less than any other, a document behind one as much as the longest."""
    linked = [Message("user", (Media(kind="image", media_type="", url=LINK),))]
    largest = image_tokens(20_000, 20_000, dialect, "m")
    document = [Message("user", (Media(kind="document", media_type="application/pdf", url=LINK),))]

    assert media_tokens(linked, dialect, "m").most == largest
    assert media_tokens(document, dialect, "m").most > MOST_PAGES * 3000


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(1, 500))
def test_a_larger_image_weighs_no_less(width: int, height: int, more: int) -> None:
    """So what is held for a large image is enough for a small one. With OpenAI, tiles depend on the shape."""
    assert image_tokens(width, height + more, "anthropic", "m") >= image_tokens(width, height, "anthropic", "m")


def test_base64_is_no_text() -> None:
    """The data of an image is not weighed as text, which would be a hundred times too much."""
    message = read({"type": "text", "text": "four"}, files.part(files.image(width=2000, height=2000), "image/png"))
    assert text_bytes([message]) == 4
    assert b64encode(files.image()).decode() not in list(texts_of([message]))
