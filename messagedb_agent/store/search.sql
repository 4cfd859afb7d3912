-- What the search reads: the words of messages, derived from Message DB's table, which stays as it
-- is. It can be dropped at any time; the next search after an installation makes it anew.

CREATE SCHEMA IF NOT EXISTS messagedb_agent;

-- The number grows with the meaning of a word (`store/words.py`): old and new code run side by side.
CREATE TABLE IF NOT EXISTS messagedb_agent.search_words_1 (
  stream_name text NOT NULL,
  position bigint NOT NULL,
  category text NOT NULL,
  global_position bigint NOT NULL,
  words tsvector NOT NULL,
  PRIMARY KEY (stream_name, position)
);

CREATE INDEX IF NOT EXISTS search_words_1_words
  ON messagedb_agent.search_words_1 USING gin (words);

CREATE INDEX IF NOT EXISTS search_words_1_category
  ON messagedb_agent.search_words_1 (category, global_position);

-- Threads that have a user, or are deleted.
CREATE TABLE IF NOT EXISTS messagedb_agent.search_threads_1 (
  stream_name text PRIMARY KEY,
  category text NOT NULL,
  person text,
  is_deleted boolean NOT NULL DEFAULT false
);

-- How far each category was read.
CREATE TABLE IF NOT EXISTS messagedb_agent.search_progress_1 (
  category text PRIMARY KEY,
  global_position bigint NOT NULL
);

GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
GRANT SELECT, INSERT, UPDATE, DELETE ON messagedb_agent.search_words_1,
  messagedb_agent.search_threads_1, messagedb_agent.search_progress_1 TO message_store;
