-- Plain SQL over the streams, as this program writes them (the views of docs/views.md take whatever
-- other writers have put there). From a shell:
--
--     messagedb-agent db shell < examples/queries.sql
--
-- or one at a time in `messagedb-agent db shell`. Data are JSON (`data->>'text'`); a thread is the
-- stream `agent:v0-<thread id>`, and `category(stream_name)` of all of them is `agent:v0`.

-- The newest events of all threads.
SELECT global_position, id(stream_name) AS thread, position, type, time
FROM messages
WHERE category(stream_name) = 'agent:v0'
ORDER BY global_position DESC
LIMIT 10;

-- What was said in the newest thread, by whom, in order.
SELECT position,
       CASE type WHEN 'UserMessageAdded' THEN 'user' ELSE data->>'model' END AS who,
       data->>'text' AS said
FROM messages
WHERE stream_name = (SELECT stream_name FROM messages
                     WHERE category(stream_name) = 'agent:v0'
                     ORDER BY global_position DESC LIMIT 1)
  AND type IN ('UserMessageAdded', 'LlmResponseReceived')
  AND data->>'text' <> ''
ORDER BY position;

-- Tokens and US dollars by model. Money is a decimal string: no cent is lost on the way.
SELECT data->>'model' AS model,
       count(*) AS answers,
       sum((data->'usage'->>'inputTokens')::numeric) AS input_tokens,
       sum((data->'usage'->>'outputTokens')::numeric) AS output_tokens,
       sum((data->>'costUsd')::numeric) AS cost_usd
FROM messages
WHERE category(stream_name) = 'agent:v0' AND type = 'LlmResponseReceived'
GROUP BY model
ORDER BY cost_usd DESC NULLS LAST;

-- Tools: how often, how long, and how many calls failed, by kind of failure.
SELECT started.data->>'toolName' AS tool,
       ended.type AS outcome,
       ended.data->>'kind' AS kind,
       count(*) AS calls,
       round(avg((ended.data->>'elapsedMs')::numeric), 1) AS mean_ms
FROM messages AS started
JOIN messages AS ended
  ON ended.stream_name = started.stream_name
 AND ended.data->>'callId' = started.data->>'callId'
 AND ended.type IN ('ToolExecutionCompleted', 'ToolExecutionFailed')
WHERE category(started.stream_name) = 'agent:v0' AND started.type = 'ToolExecutionStarted'
GROUP BY tool, outcome, kind
ORDER BY calls DESC;

-- Claims without an outcome: effects under way, or left open by a process that died.
SELECT claim.stream_name, claim.position, claim.type, claim.time
FROM messages AS claim
WHERE category(claim.stream_name) = 'agent:v0'
  AND claim.type IN ('LlmCallStarted', 'ToolExecutionStarted')
  AND NOT EXISTS (
    SELECT FROM messages AS outcome
    WHERE outcome.stream_name = claim.stream_name
      AND outcome.position > claim.position
      AND (outcome.data->>'llmCallId' = claim.id::text
           OR outcome.data->>'callId' = claim.data->>'callId'))
ORDER BY claim.global_position;

-- What followed from what: the causes of the newest thread's events.
SELECT position, type, (metadata->>'causationMessagePosition')::int AS because_of
FROM messages
WHERE stream_name = (SELECT stream_name FROM messages
                     WHERE category(stream_name) = 'agent:v0'
                     ORDER BY global_position DESC LIMIT 1)
ORDER BY position;

-- Forks: which thread came from which, and where.
SELECT id(stream_name) AS thread,
       data->'forkedFrom'->>'streamName' AS parent,
       data->'forkedFrom'->>'position' AS position
FROM messages
WHERE category(stream_name) = 'agent:v0' AND type = 'SessionStarted' AND data ? 'forkedFrom';
