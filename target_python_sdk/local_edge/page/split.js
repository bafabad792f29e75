// Traffic: how many simulated visitors get each experience, compared with the shares in the rules.

import { byId, counted, element, hundredths, percent } from "./dom.js";
import { colour } from "./activities.js";
import { posting, visitorFields } from "./visitor.js";

let running = null;
let isOutdated = false;

/** Connect the buttons. */
export function startTraffic() {
  byId("run-split").addEventListener("click", run);
  byId("cancel-split").addEventListener("click", () => running.abort());
}

/** Say that the result, if there is one, was measured with earlier activities. */
export function markSplitOutdated() {
  isOutdated = true;
  showOutdated();
}

function showOutdated() {
  byId("split-outdated").hidden = !(isOutdated && byId("split-result").children.length);
}

async function run() {
  isOutdated = false;
  running = new AbortController();
  setRunning(true);
  say("");
  try {
    const reply = await fetch("/page/split", { ...posting(visitorFields()), signal: running.signal });
    if (!reply.ok) {
      throw new Error((await reply.json()).message);
    }
    let last = null;
    for await (const update of lines(reply.body)) {
      if (update.problem) {
        throw new Error(update.problem);
      }
      last = update;
      progress(update);
    }
    if (last === null || last.done < last.total) {
      throw new Error("the connection to the edge was lost");
    }
    show(last.locations);
    showOutdated();
    byId("split-legend").hidden = false;
    say(`Done: ${counted(last.done, "visitor")}.`);
  } catch (error) {
    say(error.name === "AbortError" ? "Cancelled." : `Stopped: ${error.message}.`);
  } finally {
    setRunning(false);
  }
}

function say(text) {
  byId("split-status").textContent = text;
}

function setRunning(isRunning) {
  byId("run-split").disabled = isRunning;
  byId("cancel-split").hidden = !isRunning;
  byId("split-progress").hidden = !isRunning;
  byId(isRunning ? "cancel-split" : "run-split").focus({ preventScroll: true });
}

/** Yield the JSON documents of a stream, one per line. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.map((part) => JSON.parse(part));
  }
}

function progress({ done, total }) {
  byId("split-bar").max = total;
  byId("split-bar").value = done;
  byId("split-count").textContent = `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}

function show(locations) {
  byId("split-result").replaceChildren(...locations.map(locationCard));
}

function locationCard({ kind, name, activities, withoutOffer }, number) {
  const id = `split-${number}`;
  const headings = ["Experience", "Expected", "Measured", "95 % interval"];
  return element(
    "article.card",
    { "aria-labelledby": id },
    element("h3", { id }, kind === "view" ? "view " : "", element("bdi", {}, name)),
    element(
      "table.split",
      { "aria-labelledby": id },
      element("thead", {}, element("tr", {}, headings.map((text) => element("th", { scope: "col" }, text)))),
      activities.map(activityRows),
      rows({ ...withoutOffer, name: null, expected: null }, "nothing")
    )
  );
}

function activityRows({ name, reached, experiences }) {
  return [
    element(
      "tbody",
      {},
      element(
        "tr",
        {},
        element(
          "th.activity",
          { scope: "rowgroup", colspan: "4" },
          element("bdi", {}, name),
          element("span.note", {}, ` reached by ${counted(reached, "visitor")}`)
        )
      )
    ),
    ...experiences.map((each, index) => rows(each, colour(index))),
  ];
}

/** Return the rows of an experience: its numbers, and the chart. `expected` is null if the rules give no share. */
function rows({ name, expected, visitors, share, interval: [low, high] }, ownColour) {
  const isOutside = expected !== null && (expected < low || expected > high);
  return element(
    "tbody",
    {},
    element(
      "tr",
      {},
      element(
        "th",
        { scope: "row" },
        element(`span.swatch.${ownColour}`, { "aria-hidden": "true" }),
        name === null ? "no offer" : element("bdi", {}, name)
      ),
      element("td", {}, expected === null ? "–" : percent(100 * expected)),
      element("td", {}, percent(100 * share), element("span.note.visitors", {}, visitors.toLocaleString("en"))),
      element("td", {}, `${hundredths(low)} to ${hundredths(high)}`, isOutside ? element("span.badge", {}, "expected is outside") : null)
    ),
    element("tr", { "aria-hidden": "true" }, element("td.chart", { colspan: "4" }, chart(ownColour, expected, share, low, high)))
  );
}

function chart(ownColour, expected, share, low, high) {
  const bar = element(`div.measured.${ownColour}`, {});
  const interval = element("div.interval", {});
  const mark = element("div.expected", { hidden: expected === null });
  bar.style.width = `${100 * share}%`;
  interval.style.left = `min(${100 * low}%, 100% - 4px)`; // an interval at 100 % stays inside the track
  interval.style.width = `${100 * (high - low)}%`;
  mark.style.left = `${100 * expected}%`;
  return element("div.track", {}, bar, interval, mark);
}
