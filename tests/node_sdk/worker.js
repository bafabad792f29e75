/*
 * Makes calls with the SDK for Node.js: `node worker.js SETTINGS` answers each line on stdin,
 * {"artifact": A, "calls": [...], "client": OPTIONS}, with {"results": [...]}: for each call, its result and the
 * requests that it sent. The clock stands still, and no request leaves the process.
 */
"use strict";

const fs = require("fs");
const { createRequire } = require("module");
const path = require("path");
const readline = require("readline");

const settings = JSON.parse(process.argv[2]);
const fromFolder = createRequire(path.join(settings.folder, "package.json"));

const RealDate = Date;
global.Date = class extends RealDate {
  constructor(...values) {
    super(...(values.length ? values : [settings.now]));
  }

  static now() {
    return settings.now;
  }
};

let sent = [];
global.fetch = network; // geo look-ups do not use fetchApi

const TargetClient = fromFolder("@adobe/target-nodejs-sdk");

console.log = console.error; // stdout is for messages only

function jsonResponse(body) {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

async function network(url, init = {}) {
  const address = new URL(url);
  if (address.pathname === "/v1/geo") {
    const headers = init.headers instanceof Map ? Object.fromEntries(init.headers) : init.headers || {};
    const name = Object.keys(headers).find((key) => key.toLowerCase() === "x-forwarded-for");
    sent.push({ geo: headers[name] });
    return jsonResponse({ ...settings.geo, "x-forwarded-for": headers[name] });
  }
  const body = JSON.parse(init.body);
  sent.push({
    path: address.pathname, query: Object.fromEntries(address.searchParams), host: address.host, body,
  });
  return jsonResponse({ ...settings.answer, requestId: body.requestId });
}

function send(message) {
  fs.writeSync(1, JSON.stringify(message) + "\n");
}

async function settle() {
  for (let turn = 0; turn < 12; turn += 1) await new Promise(turn % 4 ? setImmediate : (done) => setTimeout(done, 0));
}

function clientFor(artifact, options) {
  return new Promise((resolve, reject) => {
    const client = TargetClient.create({
      ...options,
      decisioningMethod: "hybrid",
      artifactPayload: artifact,
      pollingInterval: 0,
      telemetryEnabled: false,
      fetchApi: network,
      logger: { debug() {}, error() {} },
      events: {
        clientReady: () => resolve(client),
        artifactDownloadFailed: () => reject(new Error("the artifact was not taken")),
      },
    });
  });
}

async function makeCall(client, call) {
  const options = { ...call.options, decisioningMethod: call.method };
  if (call.do === "get_offers") return client.getOffers(options);
  if (call.do === "send_notifications") return client.sendNotifications(options);
  const attributes = await client.getAttributes(call.names, options);
  return { ...attributes.getResponse(), attributes: attributes.asObject() };
}

async function results(message) {
  const client = await clientFor(message.artifact, message.client);
  await settle();
  const all = [];
  for (const call of message.calls) {
    sent = [];
    let result;
    try {
      result = await makeCall(client, call);
    } catch (error) {
      result = { error: String(error && error.message ? error.message : error) };
    }
    await settle();
    delete result.request;
    all.push({ result, sent });
  }
  return all;
}

async function main() {
  process.on("unhandledRejection", () => {});
  send({ version: fromFolder("@adobe/target-nodejs-sdk/package.json").version });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    try {
      send({ results: await results(JSON.parse(line)) });
    } catch (error) {
      send({ error: String(error && error.stack) });
    }
  }
  process.exit(0);
}

main();
