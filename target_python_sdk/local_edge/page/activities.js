// The activities: their locations, audiences, experiences and offers.

import { byId, counted, element, facts, percent } from "./dom.js";

const COLOURS = 8;
let shown = [];

/** Show the activities of the edge. Experiences that were open stay open. */
export function showActivities(activities, total) {
  const open = new Set([...document.querySelectorAll("#activity-list details[open]")].map((each) => each.dataset.key));
  shown = activities.map((activity) => ({ text: searchable(activity), card: card(activity, open) }));
  byId("activity-list").replaceChildren(...shown.map(({ card }) => card));
  const left = total - activities.length;
  byId("activity-count").textContent = left ? `${activities.length} of ${total}` : String(total);
  filter();
}

/** Show only the activities that contain the text of the filter. */
export function filter() {
  const wanted = byId("filter").value.trim().toLowerCase();
  for (const { text, card } of shown) {
    card.hidden = !text.includes(wanted);
  }
  const matching = shown.filter(({ card }) => !card.hidden).length;
  byId("filter-result").textContent = wanted ? `${counted(matching, "activity", "activities")} shown` : "";
}

function searchable(activity) {
  const offers = activity.experiences.flatMap((each) => [each.name, ...each.offers.map((offer) => offer.content)]);
  const names = [activity.id, activity.name, ...activity.locations.map((each) => each.name), ...offers];
  return names.join("\n").toLowerCase();
}

function card(activity, open) {
  const id = `activity-${activity.id}`;
  return element(
    "article.card",
    { "aria-labelledby": id },
    element(
      "header",
      {},
      element("h3", { id }, element("bdi", {}, activity.name)),
      element("p.note", {}, `id ${activity.id}`),
      activity.remote ? element("p.badge", { title: "The rule artifact has no rules for it" }, "decided by the edge only") : null
    ),
    element(
      "dl.facts",
      {},
      facts([
        ["Locations", chips(activity.locations)],
        ["Audience", element("bdi", {}, activity.audience || "differs, see the experiences")],
        ["Property", activity.properties.length ? chips(activity.properties.map((name) => ({ name }))) : null],
        ["Clicks", activity.clicks ? `${counted(activity.clicks, "metric")}` : null],
      ])
    ),
    shareBar(activity),
    element(
      "ul.experiences",
      {},
      activity.experiences.map((each, index) => experience(activity, each, index, open)),
      rest(activity)
    )
  );
}

/** Return a line for the visitors outside the shares. */
function rest({ experiences }) {
  const left = experiences.reduce((sum, { lower, upper }) => sum - (upper - lower), 100);
  if (experiences.some((each) => each.lower === null) || left < 0.005) {
    return null;
  }
  return element("li.rest", {}, element("span", {}, "outside the shares, no offer"), element("span.share", {}, percent(left)));
}

function chips(names) {
  return element(
    "ul.chips",
    {},
    names.map(({ kind, name }) =>
      element("li.chip", {}, kind === "view" ? element("span.note", {}, "view ") : null, element("bdi", {}, name))
    )
  );
}

/** Return the class with the colour of an experience. */
export function colour(index) {
  return `colour-${index % COLOURS}`;
}

function shareBar(activity) {
  const bar = element("div.bar", { "aria-hidden": "true" });
  if (activity.experiences.some((each) => each.lower === null)) {
    return null; // shares do not decide
  }
  activity.experiences.forEach((each, index) => {
    const part = element(`span.${colour(index)}`, {});
    part.style.width = `${each.upper - each.lower}%`;
    bar.append(part);
  });
  return bar;
}

function experience(activity, each, index, open) {
  const key = `${activity.id} ${each.name}`;
  const kinds = [...new Set(each.offers.map((offer) => KINDS[offer.type] || offer.type))].join(", ");
  return element(
    "li",
    {},
    element(
      "details",
      { "data-key": key, open: open.has(key) },
      element(
        "summary",
        {},
        element(`span.swatch.${colour(index)}`, { "aria-hidden": "true" }),
        element("bdi.name", {}, each.name),
        element("span.share", {}, each.lower === null ? "" : percent(each.upper - each.lower)),
        element("span.kind.note", {}, kinds || "default content")
      ),
      element(
        "div.offers",
        {},
        element("p.note", {}, each.lower === null ? "independent of the bucket" : `buckets ${each.lower} to ${each.upper}`),
        activity.audience ? null : element("p", {}, element("bdi", {}, `for ${each.audience}`)),
        each.offers.length ? each.offers.map((one) => offer(one, activity.locations.length > 1)) : element("p.note", {}, "No offer: the page keeps its default content.")
      )
    )
  );
}

const KINDS = { html: "HTML", json: "JSON", redirect: "redirect", dynamic: "dynamic", actions: "page changes" };

/** Return an offer as its source. It is not rendered: its scripts and requests must not run here. */
export function offer({ type, content, locations }, isLocated = false) {
  const kind = KINDS[type] || type;
  return element(
    "figure.offer",
    {},
    element("figcaption.note", {}, kind, isLocated ? ` at ${locations.join(", ")}` : ""),
    element("pre", { tabindex: "0", "aria-label": `${kind} offer`, role: "group" }, element("code", {}, content))
  );
}
