// The live feed of the edge: requests, notifications, reloads and warnings, as server-sent events.

import { byId, counted, element } from "./dom.js";

const MAX_SHOWN = 200;
let paused = false;
const waiting = [];

/** Show the events of the edge. `changed` is called when the content of the edge, or the problem with its file, may have changed. */
export function startFeed(changed) {
  byId("delivery-address").textContent = `POST ${location.origin}/rest/v1/delivery`;
  const feed = new EventSource("/events?after=0");
  let isLost = false;
  feed.addEventListener("open", () => {
    connection("connected", "good");
    if (isLost) {
      changed(); // a new edge may listen on the same port
    }
    isLost = false;
  });
  feed.addEventListener("error", () => {
    connection("not connected", "bad");
    isLost = true;
  });
  const kinds = { request: requestLine, notification: notificationLine, reload: reloadLine, reload_error: errorLine, warning: warningLine };
  for (const [kind, line] of Object.entries(kinds)) {
    feed.addEventListener(kind, (event) => {
      const data = JSON.parse(event.data);
      // A request with notifications alone has no line, because each notification has one.
      if (!data.decisions || data.decisions.length || data.telemetry) {
        add(withTime(data.time, line(data)));
      }
      if (kind.startsWith("reload")) {
        changed();
      }
    });
  }
  byId("pause").addEventListener("click", togglePause);
  byId("clear").addEventListener("click", () => {
    byId("events").replaceChildren();
    waiting.length = 0;
    byId("no-events").hidden = false;
  });
}

function connection(text, state) {
  byId("connection").textContent = text;
  byId("connection").dataset.state = state;
}

function togglePause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Continue" : "Pause";
  if (!paused) {
    waiting.splice(0).forEach(add);
  }
}

function add(line) {
  if (paused) {
    waiting.push(line);
    waiting.splice(0, waiting.length - MAX_SHOWN);
    return;
  }
  const list = byId("events");
  list.prepend(line);
  while (list.children.length > MAX_SHOWN) {
    list.lastChild.remove();
  }
  byId("no-events").hidden = true;
}

/** Prepend the time of an event, in milliseconds since 1970, to its line. */
function withTime(milliseconds, line) {
  const time = new Date(milliseconds);
  line.prepend(element("time.note", { datetime: time.toISOString() }, time.toLocaleTimeString("en-GB")));
  return line;
}

function line(kind, label, visitor, sentences) {
  return element(
    `li.event.${kind}`,
    {},
    element("span.label", {}, label),
    element(
      "div.meaning",
      {},
      visitor ? element("p.visitor", {}, element("span.note", {}, "visitor "), element("bdi.name", {}, visitor)) : null,
      sentences.map((sentence) => element("p", {}, sentence))
    )
  );
}

function requestLine({ method, path, status, problem, visitor, decisions, telemetry }) {
  if (status >= 400) {
    return line("bad", String(status), visitor, [`${method} ${path} was refused${problem ? `: ${problem}` : "."}`]);
  }
  if (decisions) {
    const entries = telemetry ? [`The client sent ${counted(telemetry, "telemetry entry", "telemetry entries")}.`] : [];
    return line("request", "delivery", decisions.length ? visitor : null, [...decisions.map(decisionSentence), ...entries]);
  }
  const isArtifact = /\/rules\.(json|bin)$/.test(path);
  const artifact = status === 304 ? "A client has the current rule artifact." : "A client downloaded the rule artifact.";
  return line("request", isArtifact ? "artifact" : method, null, [isArtifact ? artifact : `${path}: ${status}`]);
}

function decisionSentence({ mode, location, activity, experience, reason }) {
  const where = `${location}${mode === "prefetch" ? ", prefetched" : ""}`;
  return experience === null
    ? `gets no offer at ${where}${reason ? `: ${reason}` : ""}${(reason || "").endsWith("?") ? "" : "."}`
    : `gets ${experience} of “${activity}” at ${where}${reason ? `: ${reason}` : ""}.`;
}

function notificationLine({ type, location, visitor, events }) {
  const verb = { display: "saw", click: "clicked" };
  const sentences = events.map((each) => `${verb[each.type] || each.type} ${each.experience} of “${each.activity}” at ${each.location}.`);
  const empty = `reported a ${type} at ${location} without a token, so nothing is counted.`;
  return line(type === "click" ? "click" : "display", type, visitor, sentences.length ? sentences : [empty]);
}

function reloadLine({ path }) {
  return line("reload", "reload", null, [`The activities were loaded again from ${path}.`]);
}

function errorLine({ problem }) {
  return line("bad", "reload", null, [problem, "The previous activities stay in use."]);
}

function warningLine({ problem }) {
  return line("reload", "warning", null, [problem]);
}
