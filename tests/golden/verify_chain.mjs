// Recomputes hash chains and request digests from spec.md alone: node verify_chain.mjs FILE...
// A file is {"rows": [...], "hashes": [...], "request"?: {"settings", "messages", "links", "digest"}};
// rows are as Message DB gives them back, data and metadata as JSON text or null.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const sha256 = (...parts) => parts.reduce((h, part) => h.update(part), createHash("sha256")).digest();

// JavaScript compares strings by UTF-16 code units, as RFC 8785 asks.
const canonical = (value) => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
};

const covered = (metadata) => {
  const { causationMessageGlobalPosition: _position, ...kept } = metadata;
  if (kept.localProperties) {
    const { hash: _hash, ...local } = kept.localProperties;
    kept.localProperties = local;
  }
  return kept;
};

const rowHash = (previous, row) => {
  const { id, streamName, type, position } = row;
  const data = JSON.parse(row.data ?? "{}");
  const metadata = covered(JSON.parse(row.metadata ?? "{}"));
  return sha256(previous, canonical({ id, streamName, type, position, data, metadata }));
};

const differences = [];
const check = (what, found, expected) => {
  if (found !== expected) differences.push(`${what}: ${found}, expected ${expected}`);
};

let checked = 0;
for (const file of process.argv.slice(2)) {
  const { rows, hashes, request } = JSON.parse(readFileSync(file, "utf8"));
  let previous = Buffer.alloc(32);
  rows.forEach((row, index) => {
    previous = rowHash(previous, row);
    check(`${file} row ${index}`, previous.toString("base64url"), hashes[index]);
    check(`${file} row ${index}, stored`, JSON.parse(row.metadata).localProperties.hash, hashes[index]);
    checked += 1;
  });
  if (!request) continue;
  let link = Buffer.alloc(32);
  request.messages.forEach((message, index) => {
    link = sha256(link, canonical(message));
    check(`${file} message ${index}`, link.toString("base64url"), request.links[index]);
  });
  const digest = sha256(sha256(canonical(request.settings)), link);
  check(`${file} request`, digest.toString("base64url"), request.digest);
  checked += 1;
}
differences.forEach((difference) => console.error(difference));
console.log(`${checked} checked, ${differences.length} differ`);
process.exit(differences.length || !checked ? 1 : 0);
