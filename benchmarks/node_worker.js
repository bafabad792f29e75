/*
 * Decides on-device with the SDK for Node.js, like decision_worker.py with the Python releases.
 *
 * `node node_worker.js SETTINGS` answers {"calls": N, "seed": S} with {"seconds": T, "delivered": D},
 * {"visitors": [...]} with {"decisions": [...]} and {"requests": N} with {"seconds": T}; one JSON object per line.
 */
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const { createRequire } = require("module");
const path = require("path");
const readline = require("readline");

const DELIVERY_TIMEOUT = 30000; // the longest wait for notifications, in milliseconds
const settings = JSON.parse(process.argv[2]);
const visit = settings.visit;
const fromFolder = createRequire(path.join(settings.folder, "package.json"));
const TargetClient = fromFolder("@adobe/target-nodejs-sdk");
const artifact = JSON.parse(fs.readFileSync(settings.artifact, "utf8"));

console.log = console.error; // stdout is for messages only

let delivered = 0;

// Answers every request at once, and counts it.
async function noNetwork() {
  delivered += 1;
  return { ok: true, status: 200, headers: { get: () => null }, json: async () => ({}), text: async () => "{}" };
}

function send(message) {
  fs.writeSync(1, JSON.stringify(message) + "\n");
}

function visitors(seed, count) {
  return Array.from({ length: count }, (_, number) =>
    crypto.createHash("md5").update(seed + "-" + number).digest("hex"));
}

function canonical(content) {
  if (Array.isArray(content)) return content.map(canonical);
  if (content === null || typeof content !== "object") return content;
  return Object.fromEntries(Object.keys(content).sort().map((key) => [key, canonical(content[key])]));
}

const legal = new Set();
for (const rules of Object.values(artifact.rules.mboxes)) {
  for (const rule of rules) {
    for (const option of rule.consequence.options) legal.add(JSON.stringify(canonical(option.content)));
  }
}

// Builds a complete request. All its parts are new, so that nothing can be cached.
function buildRequest(visitor) {
  const part = {};
  if (visit.mbox === null) {
    part.pageLoad = visit.parameters ? { parameters: visit.parameters } : {};
  } else {
    const mbox = { name: visit.mbox, index: 1 };
    if (visit.parameters) mbox.parameters = visit.parameters;
    part.mboxes = [mbox];
  }
  return {
    id: { tntId: visitor },
    context: { channel: "web", address: { url: visit.url }, userAgent: visit.user_agent },
    [visit.mode]: part,
  };
}

// Reads the content of the mbox's offer, or the contents of the page load's offers.
function read(response) {
  if (visit.mbox === null) return response[visit.mode].pageLoad.options.map((option) => option.content);
  return response[visit.mode].mboxes[0].options[0].content;
}

function check(found) {
  for (const each of found) {
    const offers = Array.isArray(each) ? each : [each];
    if (!offers.length || !offers.every((content) => legal.has(JSON.stringify(canonical(content))))) {
      throw new Error("not decided: " + JSON.stringify(offers.slice(0, 1)));
    }
  }
}

async function deliver(total) {
  const deadline = Date.now() + DELIVERY_TIMEOUT;
  while (delivered < total && Date.now() < deadline) await new Promise(setImmediate);
  if (delivered !== total) throw new Error(delivered + " notifications were delivered instead of " + total);
}

async function decide(client, visitor) {
  return read((await client.getOffers({ request: buildRequest(visitor) })).response);
}

async function timed(client, ids) {
  const before = delivered;
  const found = [];
  const started = process.hrtime.bigint();
  for (const visitor of ids) found.push(await decide(client, visitor));
  const called = process.hrtime.bigint();
  if (visit.mode === "execute") await deliver(before + ids.length);
  const ended = process.hrtime.bigint();
  check(found);
  return { seconds: Number(called - started) / 1e9, delivered: Number(ended - started) / 1e9 };
}

function timeBuilding(ids) {
  const started = process.hrtime.bigint();
  ids.forEach(buildRequest);
  return Number(process.hrtime.bigint() - started) / 1e9;
}

async function answer(client, question) {
  if (question.requests) return { seconds: timeBuilding(visitors("building", question.requests)) };
  if (!question.visitors) return timed(client, visitors(question.seed, question.calls));
  const before = delivered;
  const decisions = [];
  for (const visitor of question.visitors) decisions.push(await decide(client, visitor));
  if (visit.mode === "execute") await deliver(before + question.visitors.length);
  check(decisions);
  return { decisions };
}

function ready() {
  return new Promise((resolve, reject) => {
    const client = TargetClient.create({
      client: settings.client,
      organizationId: settings.organization,
      decisioningMethod: "on-device",
      artifactPayload: artifact,
      pollingInterval: 0,
      telemetryEnabled: false,
      targetLocationHint: settings.hint,
      fetchApi: noNetwork,
      logger: { debug() {}, error() {} },
      events: {
        clientReady: () => resolve(client),
        artifactDownloadFailed: () => reject(new Error("the artifact was not taken")),
      },
    });
  });
}

async function main() {
  let client;
  try {
    client = await ready();
    await timed(client, visitors("first", 1));
  } catch (error) {
    send({ error: String(error) });
    process.exit(0);
  }
  const version = fromFolder("@adobe/target-nodejs-sdk/package.json").version;
  send({ version: "@adobe/target-nodejs-sdk " + version + " on Node.js " + process.version });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      send(await answer(client, JSON.parse(line)));
    } catch (error) {
      send({ error: String(error) });
    }
  }
  process.exit(0);
}

main();
