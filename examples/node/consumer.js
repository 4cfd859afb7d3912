// A consumer in another language: follows a thread, approves a tool call, says something.
//
//     npm install
//     URL="$(messagedb-agent db url)"
//     node consumer.js "$URL" agent:v0-THREAD follow [POSITION] [--once]
//     node consumer.js "$URL" agent:v0-THREAD approve [CALL]
//     node consumer.js "$URL" agent:v0-THREAD say "What is 6 * 7?"
//
// It calls Message DB's functions and nothing else. Who decides something passes on the position
// that it has read up to as expected version: where the thread has moved on, it reads again.

"use strict";
const { randomUUID } = require("node:crypto");
const { Client } = require("pg");

const PAGE = 1000;
const POLL_MS = 200;
const TRIES = 5;
const SCHEMA_VERSION = "1";

// pg takes no socket folder with a port in a URL's query: hand it on as options.
function options(url) {
  const { searchParams, username, password, pathname, hostname, port } = new URL(
    url.replace("@/", "@localhost/"),
  );
  return {
    host: searchParams.get("host") || hostname,
    port: Number(searchParams.get("port") || port || 5432),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password) || undefined,
    database: pathname.slice(1),
    options: "-c search_path=message_store,public",
  };
}

async function read(client, stream, position) {
  const { rows } = await client.query(
    "SELECT position, global_position, type, data, metadata FROM get_stream_messages($1, $2, $3)",
    [stream, position, PAGE],
  );
  return rows.map((row) => ({
    position: Number(row.position),
    globalPosition: Number(row.global_position),
    type: row.type,
    data: JSON.parse(row.data || "{}"),
    metadata: JSON.parse(row.metadata || "{}"),
  }));
}

async function readAll(client, stream) {
  const events = [];
  for (;;) {
    const page = await read(client, stream, events.length);
    events.push(...page);
    if (page.length < PAGE) return events;
  }
}

async function write(client, stream, type, data, metadata, expectedVersion) {
  const { rows } = await client.query(
    "SELECT write_message($1, $2, $3, $4, $5, $6) AS position",
    [randomUUID(), stream, type, JSON.stringify(data), JSON.stringify(metadata), expectedVersion],
  );
  return Number(rows[0].position);
}

// What an event carries that another one caused, in Message DB's own keys.
function following(stream, cause) {
  const { correlationStreamName, replyStreamName, properties } = cause.metadata;
  return {
    causationMessageStreamName: stream,
    causationMessagePosition: cause.position,
    causationMessageGlobalPosition: cause.globalPosition,
    ...(correlationStreamName && { correlationStreamName }),
    ...(replyStreamName && { replyStreamName }),
    ...(properties && { properties }),
    schemaVersion: SCHEMA_VERSION,
  };
}

function waiting(events) {
  const asked = new Map();
  for (const event of events) {
    if (event.type === "ToolApprovalRequested") asked.set(event.data.callId, event);
    if (["ToolExecutionApproved", "ToolExecutionDenied"].includes(event.type)) {
      asked.delete(event.data.callId);
    }
    if (["TurnCancelled", "SessionCompleted"].includes(event.type)) asked.clear();
  }
  return asked;
}

async function follow(client, stream, position, once) {
  for (;;) {
    const page = await read(client, stream, position);
    for (const event of page) {
      console.log(`${event.position} ${event.type} ${JSON.stringify(event.data)}`);
      position = event.position + 1;
    }
    if (page.length) continue;
    if (once) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function approve(client, stream, call) {
  for (let tries = 1; ; tries += 1) {
    const events = await readAll(client, stream);
    const asked = waiting(events);
    if (!call && asked.size !== 1) throw new Error(`${asked.size} calls wait: name one`);
    const question = call ? asked.get(call) : [...asked.values()][0];
    if (!question) throw new Error(`call ${call} does not wait`);
    const data = { callId: question.data.callId, by: "node" };
    try {
      const head = events.at(-1).position;
      return await write(
        client, stream, "ToolExecutionApproved", data, following(stream, question), head,
      );
    } catch (error) {
      if (!/Wrong expected version/.test(error.message) || tries === TRIES) throw error;
    }
  }
}

async function main([url, stream, action, argument, ...rest]) {
  const client = new Client(options(url));
  await client.connect();
  try {
    if (action === "follow") {
      const once = [argument, ...rest].includes("--once");
      await follow(client, stream, Number.parseInt(argument, 10) || 0, once);
    } else if (action === "approve") {
      console.log(`${await approve(client, stream, argument)} ToolExecutionApproved`);
    } else if (action === "say" && argument) {
      const metadata = { schemaVersion: SCHEMA_VERSION };
      const position = await write(client, stream, "UserMessageAdded", { text: argument }, metadata, null);
      console.log(`${position} UserMessageAdded`);
    } else {
      throw new Error("usage: node consumer.js URL STREAM follow|approve|say [...]");
    }
  } finally {
    await client.end();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
