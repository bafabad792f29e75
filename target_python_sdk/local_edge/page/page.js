// The page of the local edge: loads its content and connects the controls.

import { filter, showActivities } from "./activities.js";
import { byId, element, facts, fetchJson } from "./dom.js";
import { startFeed } from "./live.js";
import { markSplitOutdated, startTraffic } from "./split.js";
import { markResultOutdated, showLocations, startForm } from "./visitor.js";

/** The activities that are shown, as JSON; null before the first load. */
let shown = null;

async function load() {
  const content = await fetchJson("/page/content");
  document.title = `Local edge: ${content.client}`;
  byId("facts").replaceChildren(
    ...facts([
      ["Client", element("code", {}, content.client)],
      ["Address", element("code", {}, location.host)],
    ])
  );
  const activities = JSON.stringify([content.client, content.activities]);
  if (shown !== null && shown !== activities) {
    markResultOutdated();
    markSplitOutdated();
  }
  shown = activities;
  showActivities(content.activities, content.total);
  showLocations(content.activities);
  const prefix = "The file cannot be used, and the previous activities stay in use. ";
  showProblem(content.problem === null ? "" : prefix + content.problem);
}

function showProblem(text) {
  byId("problem").replaceChildren(...(text ? [element("p.problem", {}, text)] : []));
}

let planned = null;

/** Load the content, but only once after several changes in a row. */
function planUpdate() {
  clearTimeout(planned);
  planned = setTimeout(update, 50);
}

function update() {
  load().catch((error) => showProblem(`The activities cannot be loaded: ${error.message}`));
}

byId("filter").addEventListener("input", filter);
startForm();
startTraffic();
startFeed(planUpdate);
update();
