// SPDX-License-Identifier: Apache-2.0
// What the page has learnt from the daemon, and what the person asks to see of it.

// --- what is known

const known = {
  cursor: null,
  completeAt: 0,
  rows: new Map(), // id to row
  changes: new Map(), // key to changes, oldest first
  changesSince: 0, // from then on every change is known
  status: null,
  categories: null,
  failing: null, // how many, when it was last said aloud
};

const keyOf = (at) => `${at.group}\0${at.target}\0${at.probe}`;

function stateOf(row) {
  if (row.success === false) return "failing";
  if (row.category) return "unjudged";
  return row.success ? "fine" : "waiting";
}

function learnRow(row) {
  row.key = keyOf(row);
  row.state = stateOf(row);
  row.version = (known.rows.get(row.id)?.version ?? 0) + 1;
  const labels = Object.entries(row.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  row.text = [row.group, row.target, row.probe, ...labels, row.category, row.cause, row.detail]
    .filter(Boolean).join("\n").toLowerCase();
  row.labelText = labels.join(" ");
  known.rows.set(row.id, row);
}

function learnChanges(changes) {
  for (const change of changes.reverse()) {
    const key = keyOf(change);
    const list = known.changes.get(key) ?? [];
    if (list.some((other) => other.number === change.number)) continue;
    list.push(change);
    while (list.length > 1 && list[1].time < now() - 2 * HISTORY_S) list.shift();
    known.changes.set(key, list);
  }
}

// Whether anything that is shown in the list may be another now.
function learn(overview) {
  const changed = overview.complete || overview.targets.length > 0;
  skew = overview.time - Date.now() / 1000;
  if (overview.complete) {
    known.rows.clear();
    known.changes.clear();
    known.completeAt = Date.now();
  }
  known.changesSince = overview.changes_since;
  overview.targets.forEach(learnRow);
  learnChanges(overview.changes);
  known.cursor = overview.cursor;
  return changed;
}

// --- what is asked for: it lives in the address, to be sent to a colleague

const FILTERS = ["q", "state", "group", "category", "cause", "order", "page", "show"];
const SORTS = { state: "State", since: "Since", target: "Target", why: "Why" };
const wish = Object.fromEntries(FILTERS.map((name) => [name, ""]));

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) wish[name] = given.get(name) ?? "";
}

function writeAddress() {
  const text = new URLSearchParams(Object.entries(wish).filter(([, value]) => value)).toString();
  const view = inSockets() ? "sockets" : text;
  history.replaceState(null, "", view ? `#${view}` : location.pathname + location.search);
}

const inSockets = () => !$("view-sockets").hidden;
const filtered = () => Boolean(wish.q || wish.state || wish.group || wish.category || wish.cause);

function matches(row, but) {
  return (but === "state" || !wish.state || row.state === wish.state) &&
    (!wish.group || row.group === wish.group) &&
    (!wish.category || row.category === wish.category) &&
    (but === "cause" || !wish.cause || row.cause === wish.cause) &&
    wish.q.toLowerCase().split(/\s+/).every((word) => row.text.includes(word));
}

const compareText = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const byPlace = (a, b) => compareText(a.group, b.group) || a.id - b.id;
const byState = (a, b) =>
  STATES[a.state].rank - STATES[b.state].rank ||
  (a.state === "failing" ? b.since - a.since : 0) || byPlace(a, b);
const ORDERS = {
  state: byState,
  since: (a, b) => (b.since ?? 0) - (a.since ?? 0) || byState(a, b),
  target: (a, b) => compareText(a.target, b.target) || byPlace(a, b),
  why: (a, b) => compareText(a.category ?? "~", b.category ?? "~") ||
    compareText(a.cause ?? "", b.cause ?? "") || byState(a, b),
};

function ordered(rows) {
  const [name, down] = (wish.order || "state").split("-");
  const compare = ORDERS[name] ?? byState;
  return rows.sort(down ? (a, b) => compare(b, a) : compare);
}

