"""A chat model without a network: it follows a script, and streams words, tool calls and usage as a real one does.

LangChain's own fakes do one of these each. A script is a function of what was said and of the tools that are offered,
so the same words always get the same answer; `recruiting` is the one that the assistant is played by.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

Script = Callable[[Sequence[BaseMessage], Sequence[str]], AIMessage]
"""What a model says next: messages so far and names of the tools it may call → one message."""


class ScriptedChatModel(BaseChatModel):
    """Says what its script says."""

    script: Script
    name_of_model: str = "scripted-1"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop: list[str] | None = None, **settings: Any) -> LangSmithParams:
        return LangSmithParams(ls_provider="scripted", ls_model_name=self.name_of_model, ls_model_type="chat")

    def bind_tools(self, tools: Sequence[Any], **settings: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **settings)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> ChatResult:
        said = self._next(messages, settings)
        said.usage_metadata = _usage(messages, said)
        said.response_metadata = self._about(said)
        return ChatResult(generations=[ChatGeneration(message=said)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, settings):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **settings: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages, settings):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _chunks(self, messages: list[BaseMessage], settings: dict[str, Any]) -> Iterator[ChatGenerationChunk]:
        """Word by word, then the calls of tools, then what it cost."""
        said = self._next(messages, settings)
        for word in re.findall(r"\S+\s*|\s+", said.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        for index, call in enumerate(said.tool_calls):
            chunk = tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))
        end = AIMessageChunk(
            content="",
            usage_metadata=_usage(messages, said),
            response_metadata=self._about(said),
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=end)

    def _next(self, messages: Sequence[BaseMessage], settings: dict[str, Any]) -> AIMessage:
        return self.script(messages, [tool["function"]["name"] for tool in settings.get("tools", ())])

    def _about(self, said: AIMessage) -> dict[str, str]:
        return {"model_name": self.name_of_model, "finish_reason": "tool_calls" if said.tool_calls else "stop"}


def _usage(messages: Sequence[BaseMessage], said: AIMessage) -> UsageMetadata:
    """What a model would count: here, words."""
    asked, answered = sum(len(message.text.split()) for message in messages), max(len(said.text.split()), 1)
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


# ---- the script of the assistant

SEARCH = "candidates_search"
_PLACE = re.compile(r"\b(?:in|near|around|from)\s+([A-Z]\w+)")
_SENIORITY = re.compile(r"\b(junior|mid|senior|staff)\b", re.IGNORECASE)
_SKILL = re.compile(
    r"\b(rust|go|python|java|kotlin|scala|typescript|react|sql|kafka|kubernetes|terraform|aws|linux|pytorch)\b",
    re.IGNORECASE,
)
_CHATTER = re.compile(
    r"\b(a|an|and|any|are|can|candidates?|do|find|for|give|hello|hey|hi|i|is|list|look|me|need|of|people|please|search|show|some"
    r"|someone|thanks|the|there|we|what|which|who|with|you)\b|[^\w\s+#]",
    re.IGNORECASE,
)


def recruiting(messages: Sequence[BaseMessage], tools: Sequence[str]) -> AIMessage:
    """Look for whom the last message describes, and then name those who were found."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(_report(last))
    if SEARCH not in tools:
        return AIMessage("I cannot search candidates for you: you are not allowed to.")
    wish = _wish(last.text)
    if not wish:
        return AIMessage('Whom are you looking for? For example: "senior Rust engineers in Dublin".')
    call = {"name": SEARCH, "args": wish | {"limit": 5}, "id": f"call-{len(messages)}", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


def _wish(text: str) -> dict[str, Any]:
    """The arguments of a search as a sentence means them; empty if it says nothing that can be looked for."""
    wish: dict[str, Any] = {}
    if place := _PLACE.search(text):
        wish["location"] = {"city": place[1]}
        text = text.replace(place[0], "")
    if seniority := _SENIORITY.search(text):
        wish["seniority"] = f"SENIORITY_{seniority[1].upper()}"
        text = text.replace(seniority[0], "")
    if skills := dict.fromkeys(skill.lower() for skill in _SKILL.findall(text)):
        wish["skills"] = list(skills)
    words = " ".join(_CHATTER.sub(" ", text).split())
    return wish | ({"query": words[:200]} if words else {})


def _report(found: ToolMessage) -> str:
    if found.status == "error":
        return f"I could not search candidates: {found.text}"
    answer = json.loads(found.text)
    people = answer.get("candidates", [])
    if not people:
        return "I found nobody like that."
    lines = "\n".join(f"- {_person(person)}" for person in people)
    total = f"{answer['total']} candidate{'' if answer['total'] == 1 else 's'}"
    return f"I found {total}, best matches first:\n\n{lines}"


def _person(person: dict[str, Any]) -> str:
    skills = ", ".join(person.get("skills", []))
    return f"{person['name']} ({person['id']}), {person['title']} in {person['location']['city']}: {skills}"
