// The form, and its result: the offers of one visitor, with the reasons.

import { byId, counted, element, facts, fetchJson } from "./dom.js";
import { offer } from "./activities.js";

let isOutdated = false;
let randomId = "";

/** Return the fields of the form as an object of texts. */
export function visitorFields() {
  return Object.fromEntries(new FormData(byId("visitor-form")));
}

/** Return the options for `fetch` to post `fields` as JSON. */
export function posting(fields) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(fields) };
}

/** Fill the list of locations in the form. */
export function showLocations(activities) {
  const names = new Map();
  for (const { kind, name } of activities.flatMap((activity) => activity.locations)) {
    names.set(`${kind} ${name}`, kind === "view" ? `view ${name}` : name);
  }
  const chosen = byId("visitor-location").value;
  byId("visitor-location").replaceChildren(
    element("option", { value: "" }, "all locations"),
    ...[...names].map(([value, text]) => element("option", { value, selected: value === chosen }, text))
  );
}

/** Connect the controls of the form. */
export function startForm() {
  byId("visitor-form").addEventListener("submit", explain);
  byId("random-visitor").addEventListener("click", newVisitor);
  byId("this-browser").addEventListener("click", thisBrowser);
  byId("visitor-cookies").addEventListener("input", preferCookies);
  newVisitor();
  thisBrowser();
}

function newVisitor() {
  randomId = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  byId("visitor-id").value = randomId;
}

/** Clear a random visitor id when cookies are entered: it would take precedence over the id in them. */
function preferCookies() {
  if (byId("visitor-id").value === randomId) {
    byId("visitor-id").value = "";
  }
}

function thisBrowser() {
  byId("visitor-user-agent").value = navigator.userAgent;
  const hints = navigator.userAgentData;
  if (hints) {
    byId("visitor-brands").value = hints.brands.map(({ brand, version }) => `"${brand}";v="${version}"`).join(", ");
    byId("visitor-platform").value = hints.platform;
  }
}

/** Say that the result, if there is one, was decided with earlier activities. */
export function markResultOutdated() {
  isOutdated = true;
  if (byId("visitor-result").querySelector(".facts")) {
    showOutdated();
  }
}

function showOutdated() {
  byId("visitor-result-outdated").hidden = !isOutdated;
}

async function explain(event) {
  event.preventDefault();
  isOutdated = false;
  const problem = byId("visitor-problem");
  const invalid = document.querySelector("#visitor-form [aria-invalid]");
  if (invalid) {
    invalid.removeAttribute("aria-invalid");
  }
  problem.hidden = true;
  try {
    show(await fetchJson("/page/visitor", posting(visitorFields())));
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    const field = document.querySelector(`#visitor-form [name="${CSS.escape(error.message.split(/[:.[]/)[0])}"]`);
    if (field) {
      field.setAttribute("aria-invalid", "true");
      field.closest("details")?.setAttribute("open", "");
      field.focus();
    }
  }
}

function show({ visitor, warnings, locations }) {
  byId("visitor-result").replaceChildren(
    element("h3", { id: "result-title" }, "Result"),
    element("p.problem", { id: "visitor-result-outdated", hidden: true }, "The activities have changed since. Press “Explain” again."),
    element("dl.facts", {}, facts([["Bucketed by", element("bdi", {}, visitor)]])),
    ...warnings.map((warning) => element("p.problem", {}, `${warning[0].toUpperCase()}${warning.slice(1)}`)),
    ...locations.map(locationResult)
  );
  showOutdated();
  const found = locations.map(({ title, offers }) => `${title}: ${offers.map((each) => each.experience).join(", ") || "no offer"}`);
  byId("visitor-status").textContent = `Visitor ${visitor} gets ${found.join("; ")}`;
  byId("visitor-result").scrollIntoView({ block: "nearest" });
}

function locationResult({ title, reason, problems, offers, rules, more }) {
  return element(
    "section.location",
    {},
    element("h4", {}, element("bdi", {}, title)),
    offers.map((each) =>
      element(
        "div.decision",
        {},
        element("p", {}, element("bdi.name", {}, each.experience), " of ", element("bdi", {}, each.activity)),
        each.type === null ? element("p.note", {}, "No offer: the page keeps its default content.") : offer(each)
      )
    ),
    offers.length ? null : element("p", {}, reason),
    problems.map((problem) => element("p.problem", {}, problem)),
    element("ul.rules", {}, rules.map(rule)),
    more ? element("p.note", {}, `${counted(more, "more experience")} not shown`) : null
  );
}

function rule({ activity, reason, chosen, clauses }) {
  return element(
    `li.${chosen ? "chosen" : "passed"}`,
    {},
    element("p", {}, element("bdi", {}, activity), ": ", element("bdi", {}, reason)),
    clauses.length ? element("ul.clauses", {}, clauses.map(clause)) : null
  );
}

function clause({ held, text, seen, join, parts }) {
  const words = parts.length ? `${join === "or" ? "any" : "all"} of` : text;
  return element(
    "li",
    {},
    element(`span.verdict.${held ? "yes" : "no"}`, {}, held ? "yes" : "no"),
    element("span", {}, element("bdi", {}, words), seen && !parts.length ? element("bdi.note.seen", {}, seen) : null),
    parts.length ? element("ul.clauses", {}, parts.map(clause)) : null
  );
}
