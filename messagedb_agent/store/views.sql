-- Views of threads, for any tool that reads SQL. They hold nothing: each reads Message DB's table.
-- Whatever stands in it must not make one fail: data that are no objects, numbers that are none.

CREATE SCHEMA IF NOT EXISTS messagedb_agent;

CREATE OR REPLACE FUNCTION messagedb_agent.object(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN jsonb_typeof(value) = 'object' THEN value ELSE '{}'::jsonb END $$;

CREATE OR REPLACE FUNCTION messagedb_agent.elements(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN jsonb_typeof(value) = 'array' THEN value ELSE '[]'::jsonb END $$;

CREATE OR REPLACE FUNCTION messagedb_agent.number(value jsonb, key text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN value->>key ~ '^-?[0-9]{1,60}(\.[0-9]{1,60})?$'
                  THEN (value->>key)::numeric END $$;

CREATE OR REPLACE VIEW messagedb_agent.events AS
SELECT message_store.category(m.stream_name) AS category,
       message_store.id(m.stream_name) AS thread,
       m.stream_name, m.position, m.global_position, m.type,
       messagedb_agent.object(m.data) AS data,
       messagedb_agent.number(m.metadata->'localProperties', 'occurredAt') AS occurred_at_ms,
       m.id, m.time
FROM message_store.messages AS m
WHERE strpos(m.stream_name, '-') > 0;

-- The effect policy of a tool at a position: `never` where the agent in force does not have it.
CREATE OR REPLACE FUNCTION messagedb_agent.policy(stream text, before bigint, tool text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$
  SELECT coalesce((
    SELECT coalesce(t->>'effect', 'never')
    FROM jsonb_array_elements(messagedb_agent.elements((
      SELECT data->'definition'->'tools' FROM messagedb_agent.events
      WHERE stream_name = stream AND position < before
        AND type IN ('SessionStarted', 'AgentRedefined')
      ORDER BY position DESC LIMIT 1))) AS t
    WHERE t->>'name' = tool LIMIT 1), 'never')
$$;

-- What became of a tool that failed: a timeout does not stop what it had begun.
CREATE OR REPLACE FUNCTION messagedb_agent.failed(kind text, policy text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT CASE WHEN kind = 'outcome_unknown' OR (kind = 'timed_out' AND policy <> 'retry')
                  THEN 'unknown' ELSE 'failed' END $$;

-- The first line that has anything on it, its white space made even; empty where there is none.
CREATE OR REPLACE FUNCTION messagedb_agent.first_line(value text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT btrim(regexp_replace(
    coalesce(substring(value from '\S[^\n\r\v\f\x1c-\x1e\u0085\u2028\u2029]*'), ''), '\s+', ' ', 'g'))
$$;

CREATE OR REPLACE VIEW messagedb_agent.sessions AS
SELECT s.category, s.thread, s.stream_name, s.started_at,
       s.started->'definition'->>'name' AS agent,
       s.definition->>'model' AS model,
       s.started->>'user' AS "user",
       coalesce(s.title, CASE WHEN length(s.first_line) > 60
                             THEN rtrim(left(s.first_line, 59)) || '…' ELSE s.first_line END)
         AS title,
       s.started->'forkedFrom'->>'streamName' AS parent_stream_name,
       messagedb_agent.number(s.started->'forkedFrom', 'position') AS parent_position,
       s.user_messages, s.events, s.last_position, s.last_type, s.last_at,
       coalesce(s.completed_at_position > s.said_at_position, s.completed_at_position IS NOT NULL)
         AS ended
FROM (
  SELECT category, thread, stream_name,
         min(time) FILTER (WHERE type = 'SessionStarted') AS started_at,
         (array_agg(data ORDER BY position) FILTER (WHERE type = 'SessionStarted'))[1] AS started,
         (array_agg(data->'definition' ORDER BY position DESC)
           FILTER (WHERE type IN ('SessionStarted', 'AgentRedefined')))[1] AS definition,
         (array_agg(data->>'title' ORDER BY position DESC)
           FILTER (WHERE type = 'SessionTitled'))[1] AS title,
         (array_agg(messagedb_agent.first_line(data->>'text') ORDER BY position)
           FILTER (WHERE type = 'UserMessageAdded'
                   AND messagedb_agent.first_line(data->>'text') <> ''))[1] AS first_line,
         count(*) FILTER (WHERE type = 'UserMessageAdded') AS user_messages,
         count(*) AS events,
         max(position) AS last_position,
         (array_agg(type ORDER BY position DESC))[1] AS last_type,
         (array_agg(time ORDER BY position DESC))[1] AS last_at,
         max(position) FILTER (WHERE type = 'SessionCompleted') AS completed_at_position,
         max(position) FILTER (WHERE type = 'UserMessageAdded') AS said_at_position
  FROM messagedb_agent.events
  GROUP BY category, thread, stream_name
  HAVING bool_or(type = 'SessionStarted')
) AS s;

CREATE OR REPLACE VIEW messagedb_agent.messages AS
SELECT category, thread, stream_name, position, global_position, time,
       CASE type WHEN 'UserMessageAdded' THEN 'user' ELSE 'assistant' END AS role,
       data->>'text' AS text,
       CASE type WHEN 'UserMessageAdded' THEN data->>'user' ELSE data->>'model' END AS author
FROM messagedb_agent.events AS e
WHERE type IN ('UserMessageAdded', 'LlmResponseReceived') AND data->>'text' <> ''
  AND NOT (type = 'LlmResponseReceived' AND EXISTS (  -- a title, say, stands beside the turn
    SELECT FROM message_store.messages AS c
    WHERE c.id = CASE WHEN e.data->>'llmCallId' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                      THEN (e.data->>'llmCallId')::uuid END
      AND c.data->>'purpose' IN ('title', 'judge', 'repair')));

CREATE OR REPLACE VIEW messagedb_agent.model_calls AS
SELECT c.category, c.thread, c.stream_name, c.position, c.global_position, c.time,
       c.id::text AS llm_call_id,
       c.data->>'purpose' AS purpose,
       coalesce(o.data->>'model', c.data->>'model') AS model,
       CASE o.type WHEN 'LlmResponseReceived' THEN 'answered' WHEN 'LlmCallFailed' THEN 'failed'
                   WHEN 'ContextCompacted' THEN 'summarised' ELSE 'open' END AS outcome,
       o.position AS outcome_position,
       o.data->>'finishReason' AS finish_reason,
       o.data->>'kind' AS failure_kind,
       o.data->>'message' AS failure,
       messagedb_agent.number(o.data->'usage', 'inputTokens') AS input_tokens,
       messagedb_agent.number(o.data->'usage', 'outputTokens') AS output_tokens,
       messagedb_agent.number(o.data, 'costUsd') AS cost_usd,
       o.occurred_at_ms - c.occurred_at_ms AS elapsed_ms
FROM messagedb_agent.events AS c
LEFT JOIN (
  SELECT DISTINCT ON (stream_name, data->>'llmCallId')
         stream_name, data->>'llmCallId' AS llm_call_id, position, type, data, occurred_at_ms
  FROM messagedb_agent.events
  WHERE type IN ('LlmResponseReceived', 'LlmCallFailed', 'ContextCompacted')
  ORDER BY stream_name, data->>'llmCallId', position
) AS o ON o.stream_name = c.stream_name AND o.llm_call_id = c.id::text AND o.position > c.position
WHERE c.type = 'LlmCallStarted';

CREATE OR REPLACE VIEW messagedb_agent.tool_calls AS
SELECT r.category, r.thread, r.stream_name, r.position, r.global_position, r.time,
       call->>'callId' AS call_id,
       call->>'name' AS tool,
       coalesce(o.arguments, call->>'arguments') AS arguments,
       coalesce(o.attempts, 0) AS attempts,
       CASE WHEN o.outcome = 'failed'
              THEN messagedb_agent.failed(
                o.failure_kind, messagedb_agent.policy(r.stream_name, r.position, call->>'name'))
            WHEN o.outcome IS NOT NULL THEN o.outcome WHEN o.attempts > 0 THEN 'running'
            WHEN o.is_approved THEN 'allowed' WHEN o.is_asked THEN 'asked' ELSE 'requested'
       END AS outcome,
       o.failure_kind, o.text, o.elapsed_ms, o.resolution
FROM messagedb_agent.events AS r
CROSS JOIN LATERAL jsonb_array_elements(messagedb_agent.elements(r.data->'toolCalls')) AS call
LEFT JOIN (
  SELECT stream_name, data->>'callId' AS call_id,
         count(*) FILTER (WHERE type = 'ToolExecutionStarted') AS attempts,
         (array_agg(data->>'arguments' ORDER BY position DESC)
           FILTER (WHERE type = 'ToolExecutionStarted'))[1] AS arguments,
         bool_or(type = 'ToolExecutionApproved') AS is_approved,
         bool_or(type = 'ToolApprovalRequested') AS is_asked,
         (array_agg(CASE type WHEN 'ToolExecutionCompleted' THEN 'completed'
                              WHEN 'ToolExecutionDenied' THEN 'denied'
                              ELSE 'failed' END ORDER BY position)
           FILTER (WHERE type IN ('ToolExecutionCompleted', 'ToolExecutionFailed',
                                  'ToolExecutionDenied')))[1] AS outcome,
         (array_agg(data->>'kind' ORDER BY position)
           FILTER (WHERE type = 'ToolExecutionFailed'))[1] AS failure_kind,
         (array_agg(coalesce(data->>'result', data->>'message', data->>'reason') ORDER BY position)
           FILTER (WHERE type IN ('ToolExecutionCompleted', 'ToolExecutionFailed',
                                  'ToolExecutionDenied')))[1] AS text,
         (array_agg(messagedb_agent.number(data, 'elapsedMs') ORDER BY position)
           FILTER (WHERE type IN ('ToolExecutionCompleted', 'ToolExecutionFailed')))[1]
           AS elapsed_ms,
         (array_agg(data->>'status' ORDER BY position)
           FILTER (WHERE type = 'ToolOutcomeResolved'))[1] AS resolution
  FROM messagedb_agent.events
  WHERE data ? 'callId'
  GROUP BY stream_name, data->>'callId'
) AS o ON o.stream_name = r.stream_name AND o.call_id = call->>'callId'
WHERE r.type = 'LlmResponseReceived';

CREATE OR REPLACE VIEW messagedb_agent.costs AS
SELECT category, thread, stream_name, data->>'model' AS model,
       count(*) AS answers,
       sum(messagedb_agent.number(data->'usage', 'inputTokens')) AS input_tokens,
       sum(messagedb_agent.number(data->'usage', 'outputTokens')) AS output_tokens,
       sum(messagedb_agent.number(data->'usage', 'cachedInputTokens')) AS cached_input_tokens,
       sum(messagedb_agent.number(data, 'costUsd')) AS cost_usd
FROM messagedb_agent.events
WHERE type IN ('LlmResponseReceived', 'ContextCompacted')
GROUP BY category, thread, stream_name, data->>'model';

CREATE OR REPLACE VIEW messagedb_agent.approvals AS
SELECT a.category, a.thread, a.stream_name, a.position, a.global_position, a.time,
       a.data->>'callId' AS call_id,
       a.data->>'toolName' AS tool,
       a.data->>'arguments' AS arguments,
       CASE WHEN d.type = 'ToolExecutionApproved' THEN 'approved'
            WHEN d.type = 'ToolExecutionDenied' THEN 'denied'
            WHEN e.position > a.position THEN 'cancelled' ELSE 'waiting' END AS status,
       d.data->>'by' AS decided_by, d.data->>'reason' AS reason, d.time AS decided_at
FROM messagedb_agent.events AS a
LEFT JOIN (
  SELECT DISTINCT ON (stream_name, data->>'callId')
         stream_name, data->>'callId' AS call_id, position, type, data, time
  FROM messagedb_agent.events
  WHERE type IN ('ToolExecutionApproved', 'ToolExecutionDenied')
  ORDER BY stream_name, data->>'callId', position
) AS d ON d.stream_name = a.stream_name AND d.call_id = a.data->>'callId'
      AND d.position > a.position
LEFT JOIN (
  SELECT stream_name, max(position) AS position FROM messagedb_agent.events
  WHERE type IN ('TurnCancelled', 'SessionCompleted') GROUP BY stream_name
) AS e ON e.stream_name = a.stream_name
WHERE a.type = 'ToolApprovalRequested';

CREATE OR REPLACE VIEW messagedb_agent.effects AS
SELECT s.category, s.thread, s.stream_name, s.position, s.global_position, s.time,
       s.data->>'callId' AS call_id,
       s.data->>'toolName' AS tool,
       s.data->>'arguments' AS arguments,
       coalesce(messagedb_agent.number(s.data, 'attempt'), 1) AS attempt,
       s.data->>'idempotencyKey' AS idempotency_key,
       p.policy,
       CASE WHEN o.type = 'ToolExecutionCompleted' THEN 'completed'
            WHEN o.type = 'ToolExecutionFailed'
              THEN messagedb_agent.failed(o.data->>'kind', p.policy)
            WHEN o.type IS NULL THEN 'open' END AS outcome,
       messagedb_agent.number(o.data, 'elapsedMs') AS elapsed_ms
FROM messagedb_agent.events AS s
CROSS JOIN LATERAL (
  SELECT messagedb_agent.policy(s.stream_name, s.position, s.data->>'toolName') AS policy
) AS p
LEFT JOIN (
  SELECT DISTINCT ON (stream_name, data->>'callId',
                      coalesce(messagedb_agent.number(data, 'attempt'), 1))
         stream_name, data->>'callId' AS call_id,
         coalesce(messagedb_agent.number(data, 'attempt'), 1) AS attempt, position, type, data
  FROM messagedb_agent.events
  WHERE type IN ('ToolExecutionCompleted', 'ToolExecutionFailed')
  ORDER BY stream_name, data->>'callId', coalesce(messagedb_agent.number(data, 'attempt'), 1),
           position
) AS o ON o.stream_name = s.stream_name AND o.call_id = s.data->>'callId'
      AND o.attempt = coalesce(messagedb_agent.number(s.data, 'attempt'), 1)
      AND o.position > s.position
WHERE s.type = 'ToolExecutionStarted';

GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
GRANT SELECT ON ALL TABLES IN SCHEMA messagedb_agent TO message_store;
