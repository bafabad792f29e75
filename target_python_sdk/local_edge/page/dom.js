// Builds elements, and loads data. Texts become text nodes, so markup in names and offers is never parsed.

/**
 * Return a new element.
 * @param {string} selector Its tag, with optional classes: `span.chip`.
 * @param {Object<string, *>} attributes Its attributes. A function is a listener for the event of this name. Null is ignored.
 * @param {...(Node|string|number|Array)} children Its content. Null is ignored.
 */
export function element(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const made = document.createElement(tag);
  made.classList.add(...classes);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      made.addEventListener(name, value);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return the element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Return the items of a description list for [name, value] pairs. Pairs without a value are left out. */
export function facts(pairs) {
  return pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

/** Return a number with at most two decimals, and a percent sign. */
export function percent(number) {
  return `${Number(number.toFixed(2))} %`;
}

/** Return a fraction as a percentage with two decimals, without the percent sign. */
export function hundredths(fraction) {
  return (100 * fraction).toFixed(2);
}

/** Return the noun with its number: `1 request`, `2 requests`. */
export function counted(number, noun, plural = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

/** Return the parsed JSON at an address of the edge. An error status throws an Error with the message of the edge. */
export async function fetchJson(address, options = {}) {
  const reply = await fetch(address, { cache: "no-store", ...options });
  const parsed = await reply.json();
  if (!reply.ok) {
    throw new Error(parsed.message);
  }
  return parsed;
}
