"""The digest of a request."""

import hashlib
from dataclasses import replace

import pytest

from messagedb_agent.events.chain import GENESIS, hash_text
from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    Request,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import ModelParameters
from messagedb_agent.projections.digest import (
    message_digest,
    messages_digest,
    request_digest,
    settings_digest,
)
from tests.given import tool

MESSAGES: tuple[RequestMessage, ...] = (
    UserText("Grüß dich"),
    AssistantReply("", (AskedCall("c_0", "look", "{}"),), '{"family":"x"}'),
    ToolAnswer("c_0", "look", "seen"),
)
REQUEST = Request("m", "Be brief.", MESSAGES, (tool("look"),), ModelParameters(max_tokens=5))


@pytest.mark.parametrize(
    ("message", "canonical"),
    [
        (MESSAGES[0], '{"role":"user","text":"Grüß dich"}'),
        (
            MESSAGES[1],
            '{"calls":[{"arguments":"{}","callId":"c_0","name":"look"}],'
            '"providerBlocks":"{\\"family\\":\\"x\\"}","role":"assistant","text":""}',
        ),
        (AssistantReply("hi"), '{"calls":[],"role":"assistant","text":"hi"}'),
        (MESSAGES[2], '{"callId":"c_0","name":"look","role":"tool","text":"seen"}'),
    ],
)
def test_a_link_covers_the_message_in_canonical_form(
    message: RequestMessage, canonical: str
) -> None:
    link = hashlib.sha256(GENESIS + canonical.encode()).digest()
    assert message_digest(GENESIS, message) == link


def test_the_chain_may_be_taken_up_anywhere() -> None:
    half = messages_digest(MESSAGES[:1])
    assert messages_digest(MESSAGES[1:], half) == messages_digest(MESSAGES)


def test_a_digest_seals_the_chain_with_the_settings() -> None:
    settings = (
        '{"model":"m","parameters":{"maxTokens":5},"systemPrompt":"Be brief.","tools":'
        '[{"description":"does look","name":"look","parametersSchema":"{}"}]}'
    )
    chain = messages_digest(MESSAGES)
    sealed = hashlib.sha256(hashlib.sha256(settings.encode()).digest() + chain).digest()
    assert request_digest(settings_digest(REQUEST), chain) == hash_text(sealed)


@pytest.mark.parametrize(
    "changed",
    [
        replace(REQUEST, model="n"),
        replace(REQUEST, system_prompt=""),
        replace(REQUEST, tools=()),
        replace(REQUEST, tools=(tool("look", schema='{"type":"object"}'),)),
        replace(REQUEST, parameters=ModelParameters()),
    ],
)
def test_any_other_setting_is_another_digest(changed: Request) -> None:
    assert settings_digest(changed) != settings_digest(REQUEST)


def test_rules_that_the_model_is_not_told_of_are_not_covered() -> None:
    silent = replace(REQUEST, tools=(tool("look", approval=True, effect="retry"),))
    assert settings_digest(silent) == settings_digest(REQUEST)
