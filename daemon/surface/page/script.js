// SPDX-License-Identifier: Apache-2.0
// Keeps the status page up to date. Whatever comes from a target becomes a text node, never markup:
// there is no innerHTML here, and the Content-Security-Policy forbids it.
"use strict";

const POLL_MS = 3000;
const SOCKETS_POLL_MS = 15000;
const ANSWER_MS = 10000; // how long the daemon may take
const COMPLETE_MS = 600000; // all is asked for anew, whatever was missed
const PAGE_ROWS = 100;
const HISTORY_S = 1800; // at most, and since the daemon's start
const SHORTEST_HISTORY_S = 20;
const CAUSES_SHOWN = 6;

const STATES = {
  failing: { word: "Failing", rank: 0 },
  unjudged: { word: "Not judged", rank: 1 }, // this host lacked something
  waiting: { word: "Not tried", rank: 2 },
  fine: { word: "Succeeds", rank: 3 },
};

const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

// --- elements

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false));
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// A name from outside keeps its direction to itself.
const isolated = (text, attributes) => element("bdi", attributes, text);

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// --- words for numbers

let skew = 0; // the daemon's clock less the browser's, in seconds
const now = () => Date.now() / 1000 + skew;

function age(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  let left = Math.max(0, Math.floor(seconds));
  let at = units.findIndex(([size]) => left >= size);
  if (at < 0) at = 3;
  const first = `${Math.floor(left / units[at][0])}${units[at][1]}`;
  left %= units[at][0];
  const next = units[at + 1];
  return next && left >= next[0] ? `${first} ${Math.floor(left / next[0])}${next[1]}` : first;
}

function clockTime(time) {
  const date = new Date(time * 1000);
  return now() - time < 86400 ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
}

const exactTime = (time) => new Date(time * 1000).toISOString();

function span(seconds) {
  if (seconds == null) return "–";
  if (seconds >= 1) return `${Number(seconds.toPrecision(3))} s`;
  return `${Number((seconds * 1000).toPrecision(3))} ms`;
}

const words = (name) => name.replaceAll("_", " ");
const plural = (count, one, many) => `${number.format(count)} ${count === 1 ? one : many}`;

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

// --- the small timeline

function historySeconds() {
  return Math.min(HISTORY_S, Math.max(SHORTEST_HISTORY_S, now() - (known.status?.started ?? 0)));
}

function historyWords() {
  const seconds = historySeconds();
  return seconds < 60 ? "last minute" : seconds === HISTORY_S ? "last half hour"
    : `last ${plural(Math.floor(seconds / 60), "minute", "minutes")}`;
}

// What each stretch of the time shown was: a list of {from, to, state, category}.
function stretches(row) {
  const end = now(), begin = end - historySeconds();
  const changes = known.changes.get(row.key) ?? [];
  const list = [];
  let state = "unknown", category = "", from = begin;
  const put = (to) => {
    if (to > from) list.push({ from, to, state, category });
    from = Math.max(from, to);
  };

  if (changes.length === 0 || !changes[0].success) {
    put(Math.min(Math.max(known.changesSince, begin), changes[0]?.time ?? row.since ?? end));
    if (changes.length > 0 && row.last_success !== null) state = "fine";
  }
  for (const change of changes) {
    put(Math.min(change.time, end));
    state = change.success ? "fine" : change.category === "local_resource" ? "unjudged" : "failing";
    category = change.category ?? "";
  }
  if (changes.length === 0) {
    state = "unknown";
    put(Math.min(Math.max(row.since ?? end, begin), end));
    state = row.state === "waiting" ? "unknown" : row.state;
    category = row.category ?? "";
  }
  put(end);
  return list;
}

function historyText(list) {
  const failing = list.filter((stretch) => stretch.state === "failing");
  const seconds = failing.reduce((sum, stretch) => sum + stretch.to - stretch.from, 0);
  if (failing.length === 0)
    return list.every((stretch) => stretch.state === "unknown") ? "nothing known" : "did not fail";
  const turns = list.filter((stretch, i) => i > 0 && (stretch.state === "failing") !==
    (list[i - 1].state === "failing")).length;
  return `failed for ${age(seconds)}` + (turns > 1 ? `, turned ${turns} times` : "");
}

// Failing is tall, success a thin line at the foot: the shape says it without the colour.
const SHAPES = {
  failing: { class: "bad", y: 1, height: 18 },
  unjudged: { class: "odd", y: 8, height: 11 },
  fine: { class: "good", y: 16, height: 3 },
  unknown: { class: "dim", y: 17, height: 1 },
};

function timeline(row) {
  const list = stretches(row), end = now(), width = 300, seconds = historySeconds();
  const svg = drawn("svg", {
    viewBox: `0 0 ${width} 20`, preserveAspectRatio: "none", role: "img",
    "aria-label": `In the ${historyWords()} it ${historyText(list)}`,
  });
  for (const stretch of list) {
    const x = width * (1 - (end - stretch.from) / seconds);
    const wide = Math.max(width * (stretch.to - stretch.from) / seconds,
      stretch.state === "failing" ? 2 : .5);
    svg.append(drawn("rect", { ...SHAPES[stretch.state], x: Math.min(x, width - wide).toFixed(1), width: wide.toFixed(1) }));
  }
  return svg;
}

// --- one row

function timeText(row) {
  return row.since ? age(now() - row.since) : "";
}

function sinceCell(row) {
  if (!row.since) return [];
  return [
    element("time", { datetime: exactTime(row.since), title: exactTime(row.since) }, timeText(row)),
    element("span", { class: "clock" }, clockTime(row.since)),
  ];
}

function whyCell(row) {
  if (!row.category) return [];
  return [
    element("span", { class: "tags" }, element("b", {}, row.category), " ",
      element("span", {}, row.cause), " ", element("i", {}, row.certain ? "certain" : "inferred")),
    element("span", { class: "detail", title: row.detail }, row.detail),
  ];
}

function fillRow(tr, row) {
  const [state, since, target, why] = tr.cells;
  tr.className = row.state + (tr.shown && tr.shown !== row.state && row.state === "failing" ? " fresh" : "");
  tr.shown = row.state;
  tr.version = row.version;
  state.replaceChildren(element("span", { class: "mark" }, STATES[row.state].word));
  since.replaceChildren(...sinceCell(row));
  setText(target.firstChild.firstChild, row.target);
  target.lastChild.replaceChildren(isolated(row.group), ` · ${row.probe}`,
    row.labelText ? " · " : "", isolated(row.labelText));
  why.replaceChildren(...whyCell(row));
}

function newRow(row) {
  const cell = (name, ...children) => element("td", { role: "cell", class: name }, ...children);
  const tr = element("tr", { role: "row" },
    cell("state"), cell("since"),
    cell("target",
      element("button", { type: "button", class: "name", "aria-haspopup": "dialog" }, isolated("")),
      element("span", { class: "place" })),
    cell("why"), cell("history"));
  tr.rowId = row.id;
  fillRow(tr, row);
  return tr;
}

// --- the list

let shown = { rows: [], total: 0 };

function countStates() {
  const counts = { failing: 0, unjudged: 0, waiting: 0, fine: 0 };
  for (const row of known.rows.values()) if (matches(row, "state")) counts[row.state]++;
  return counts;
}

function select() {
  const all = ordered([...known.rows.values()].filter((row) => matches(row)));
  const pages = Math.max(1, Math.ceil(all.length / PAGE_ROWS));
  const page = Math.min(Math.max(Number(wish.page) || 1, 1), pages);
  shown = { rows: all.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS), total: all.length, page, pages };
}

function placeRows() {
  const body = $("rows"), focused = document.activeElement;
  const there = new Map([...body.rows].filter((tr) => "rowId" in tr).map((tr) => [tr.rowId, tr]));
  const wanted = shown.rows.map((row) => {
    const tr = there.get(row.id) ?? newRow(row);
    if (tr.version !== row.version) fillRow(tr, row);
    return tr;
  });
  const keep = new Set(wanted);
  for (const tr of [...body.children]) if (!keep.has(tr)) tr.remove();
  [...body.childNodes].filter((node) => node.nodeType !== 1).forEach((node) => node.remove());
  wanted.forEach((tr, i) => {
    if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null);
  });
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function drawHistories() {
  const head = $("list").tHead.rows[0].cells[4], text = historyWords();
  setText(head, text[0].toUpperCase() + text.slice(1));
  for (const tr of $("rows").rows) {
    const row = known.rows.get(tr.rowId);
    if (row) tr.cells[4].replaceChildren(timeline(row));
  }
}

function drawPages() {
  const { page, pages, total } = shown, nav = $("pages");
  nav.hidden = pages < 2;
  if (pages < 2) return;
  const step = (label, to, off) => element("button", {
    type: "button", class: "plain", disabled: off, "data-step": label, onclick: () => turn(to) }, label);
  const focused = nav.contains(document.activeElement) ? document.activeElement.dataset.step : null;
  nav.replaceChildren(
    step("Previous", page - 1, page === 1),
    element("span", { role: "status" }, `${number.format((page - 1) * PAGE_ROWS + 1)} – ` +
      `${number.format(Math.min(page * PAGE_ROWS, total))} of ${number.format(total)}`),
    step("Next", page + 1, page === pages));
  if (focused) nav.querySelector(`[data-step=${focused}]:enabled`)?.focus();
}

function turn(page) {
  wish.page = page > 1 ? String(page) : "";
  writeAddress();
  drawList();
  $("list").scrollIntoView({ block: "start" });
}

function drawUnmatched() {
  $("unmatched").hidden = shown.total > 0 || known.rows.size === 0;
  $("list").hidden = shown.total === 0;
  setText($("unmatched"), `None of the ${plural(known.rows.size, "probe", "probes")} matches these filters.`);
}

// --- filters

function drawStates(counts) {
  const all = Object.values(counts).reduce((a, b) => a + b);
  const options = [["", "All", all], ...Object.entries(STATES).map(([name, { word }]) => [name, word, counts[name]])];
  let strip = $("states").querySelector("div");
  if (!strip) {
    strip = element("div", {}, options.map(([name, word]) => element("label", {},
      element("input", { type: "radio", name: "state", value: name, onchange: () => want("state", name) }),
      word, element("b", {}))));
    $("states").append(strip);
  }
  [...strip.children].forEach((label, i) => {
    const [name, , count] = options[i];
    setText(label.lastChild, number.format(count));
    label.firstChild.checked = wish.state === name;
    label.hidden = ["unjudged", "waiting"].includes(name) && count === 0 && wish.state !== name;
  });
}

function fillSelect(id, values, wanted) {
  const select = $(id), first = select.options[0];
  const names = [...new Set([...values, ...(wanted ? [wanted] : [])])].sort();
  if ([...select.options].slice(1).map((option) => option.value).join("\n") !== names.join("\n"))
    select.replaceChildren(first, ...names.map((name) => element("option", { value: name }, name)));
  select.value = wanted;
}

function drawFilters() {
  const rows = [...known.rows.values()];
  drawStates(countStates());
  fillSelect("group", rows.map((row) => row.group), wish.group);
  fillSelect("category", rows.map((row) => row.category).filter(Boolean), wish.category);
  if ($("find").value !== wish.q) $("find").value = wish.q;
  $("order").value = wish.order || "state";
  $("clear").hidden = !filtered();
  const [name, down] = (wish.order || "state").split("-");
  for (const th of $("list").tHead.rows[0].cells) {
    if (th.dataset.order === name) th.setAttribute("aria-sort", down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
}

function want(name, value) {
  wish[name] = value;
  if (name !== "show") wish.page = "";
  writeAddress();
  drawList();
  drawCauses();
}

// --- what fails, in short

function drawVerdict() {
  const rows = [...known.rows.values()];
  const failing = rows.filter((row) => row.state === "failing");
  const waiting = rows.filter((row) => row.state === "waiting").length;
  const unjudged = rows.filter((row) => row.state === "unjudged").length;
  const part = (...children) => element("b", {}, ...children);
  const summary = [];

  $("verdict").className = failing.length ? "failing" : rows.length ? "fine" : "empty";
  if (rows.length === 0) {
    setText($("headline"), known.status?.ready === false ? "No configuration is loaded yet" : "No targets are configured");
    summary.push("Only the sockets of this host are watched.");
  } else if (failing.length > 0) {
    const times = failing.map((row) => row.since);
    const groups = new Set(failing.map((row) => row.group)).size;
    const targets = new Set(failing.map((row) => `${row.group}\0${row.target}`)).size;
    const first = Math.min(...times), last = Math.max(...times);
    setText($("headline"), `${number.format(failing.length)} of ${number.format(rows.length)} probes ${failing.length === 1 ? "fails" : "fail"}`);
    summary.push(part(plural(targets, "target", "targets")), ` in ${plural(groups, "group", "groups")}. `,
      failing.length > 1 ? "First since " : "Since ", part(clockTime(first)), ` (${age(now() - first)})`);
    if (failing.length > 1) summary.push(", latest since ", part(clockTime(last)), ` (${age(now() - last)})`);
    summary.push(".");
  } else {
    setText($("headline"), "Nothing fails");
    summary.push(waiting === rows.length ? "No probe has finished its first attempt yet."
      : `${plural(rows.length - waiting - unjudged, "probe", "probes")} succeeded at the last attempt.`);
  }
  if (rows.length > 0 && waiting > 0 && waiting < rows.length) summary.push(` ${plural(waiting, "is", "are")} not tried yet.`);
  if (unjudged > 0) summary.push(` ${plural(unjudged, "is", "are")} not judged: this host lacks something.`);
  $("summary").replaceChildren(...summary);
  document.title = failing.length ? `(${number.format(failing.length)}) failing · connhealthd` : "connhealthd";
  announce(failing.length, rows.length);
  drawNothing(rows.length === 0);
}

// A reader of the screen hears of what changed, and of nothing else.
function announce(failing, all) {
  if (known.failing !== null && known.failing !== failing)
    setText($("news"), failing === 0 ? "Nothing fails any more." : `${plural(failing, "probe fails", "probes fail")} of ${number.format(all)}.`);
  known.failing = failing;
}

const EXAMPLE = `groups:
  - name: redis
    connect: {}
    static_configs:
      - targets: ["cache.example.net:6379"]`;

function drawNothing(empty) {
  const file = known.status?.config?.file;
  $("nothing").hidden = !empty;
  for (const id of ["filters", "list"]) $(id).hidden = empty;
  if (!empty || $("nothing").dataset.file === String(file)) return;
  $("nothing").dataset.file = String(file);
  $("nothing").replaceChildren(
    element("p", {}, "Add a group with targets to ", file ? isolated(file, { class: "mono" }) : "the configuration",
      ", for example:"),
    element("pre", {}, EXAMPLE),
    element("p", {}, "Check it with ", element("code", {}, "connhealthctl check-config"),
      ", then reload the daemon (SIGHUP). The targets appear here by themselves."));
}

function causesOf(rows) {
  const causes = new Map();
  for (const row of rows) {
    if (row.state !== "failing") continue;
    const one = causes.get(row.cause) ?? { cause: row.cause, count: 0, categories: new Set(), groups: new Map(), first: Infinity };
    one.count++;
    one.categories.add(row.category);
    one.groups.set(row.group, (one.groups.get(row.group) ?? 0) + 1);
    one.first = Math.min(one.first, row.since);
    causes.set(row.cause, one);
  }
  return [...causes.values()].sort((a, b) => b.count - a.count || compareText(a.cause, b.cause));
}

const meaningOf = (kind, name) => known.categories?.[kind].find((word) => Object.values(word)[0] === name)?.meaning ?? "";

function causeButton(one) {
  const groups = [...one.groups].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const rest = groups.length > 3 ? ` and ${groups.length - 3} more` : "";
  return element("button", {
    type: "button", "data-cause": one.cause, "aria-pressed": String(wish.cause === one.cause),
    onclick: () => want("cause", wish.cause === one.cause ? "" : one.cause),
  },
  element("span", { class: "count" }, number.format(one.count)),
  element("span", { class: "cause" }, words(one.cause), " ", element("span", { class: "where" }, `(${[...one.categories].join(", ")})`)),
  element("span", { class: "says" }, meaningOf("causes", one.cause)),
  element("span", { class: "where" }, "In ", isolated(groups.slice(0, 3).join(", ")), `${rest}, since ${clockTime(one.first)}`));
}

function drawCauses() {
  const causes = causesOf(known.rows.values()), box = $("causes");
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.cause : null;
  box.hidden = causes.length === 0;
  box.replaceChildren(...causes.slice(0, CAUSES_SHOWN).map(causeButton));
  if (focused) [...box.children].find((button) => button.dataset.cause === focused)?.focus();
}

function drawNotices() {
  const status = known.status, errors = status.config.errors, list = [];
  if (!status.config.last_reload_successful && errors.length > 0)
    list.push(element("div", { class: "notice" },
      element("p", {}, element("strong", {}, "The last reload failed"), "; the configuration from before it still runs."),
      element("pre", {}, errors.join("\n"))));
  if (!status.healthy)
    list.push(element("div", { class: "notice" },
      element("p", {}, element("strong", {}, "A thread of connhealthd has stopped turning"), ": what is shown may be old.")));
  const text = JSON.stringify([errors, status.healthy, status.config.last_reload_successful]);
  if ($("notices").dataset.shows !== text) $("notices").replaceChildren(...list);
  $("notices").dataset.shows = text;
  setText($("about"), `connhealthd ${status.version} (${status.revision}), running for ${age(status.uptime_seconds)}. ` +
    `${plural(status.counts.targets, "target", "targets")}, ${plural(status.counts.probes, "probe", "probes")}.`);
}

function drawList() {
  if (known.rows.size === 0) {
    $("rows").replaceChildren();
    return;
  }
  select();
  drawFilters();
  drawUnmatched();
  placeRows();
  drawHistories();
  drawPages();
}

// --- the detail of one probe

const detail = { id: null, opener: null, notes: new Map() };

function fact(name, ...values) {
  const there = values.flat().filter((value) => value != null && value !== "");
  return there.length > 0 ? element("div", {}, element("dt", {}, name), element("dd", {}, there)) : null;
}

const withMeaning = (name, meaning) => name && [element("b", {}, name), meaning ? element("span", { class: "more" }, ` – ${meaning}`) : ""];

function icmpText(icmp) {
  const sender = { self: "this host itself", destination: "the destination", router: "a router" }[icmp.sender] ?? "not known";
  return `${icmp.icmp} (ICMPv${icmp.version === 6 ? 6 : 4} type ${icmp.type}, code ${icmp.code}) from ${icmp.offender}, ${sender}`;
}

function plainValue(name, value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (name.endsWith("_seconds")) return span(value);
  return String(value);
}

function kernelTable(info) {
  return element("dl", { class: "kernel" }, Object.entries(info).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))));
}

const EVIDENCE_TOLD = new Set(["local", "peer", "reply", "confirm_icmp"]);

function evidenceFacts(evidence) {
  return [
    fact("Peer", evidence.peer && isolated(evidence.peer, { class: "mono" })),
    fact("Local", evidence.local && isolated(evidence.local, { class: "mono" })),
    fact("Reply", evidence.reply && isolated(evidence.reply, { class: "mono" })),
    evidence.confirm_icmp && fact("ICMP, confirming", icmpText(evidence.confirm_icmp)),
    ...Object.entries(evidence).filter(([name]) => !EVIDENCE_TOLD.has(name))
      .map(([name, value]) => fact(words(name.replace(/_seconds$/, "")), plainValue(name, value))),
  ];
}

// Everything that is kept of one failed attempt.
function evidenceOf(attempt) {
  return [
    element("dl", {},
      fact("Category", withMeaning(attempt.category, meaningOf("categories", attempt.category))),
      fact("Cause", withMeaning(attempt.cause, meaningOf("causes", attempt.cause))),
      fact("Rests on", attempt.certain ? "proof (certain)" : "inference (what would decide it, the sentence says)"),
      fact("Phase", withMeaning(attempt.phase, meaningOf("phases", attempt.phase))),
      fact("Wire", withMeaning(attempt.wire, meaningOf("wires", attempt.wire))),
      fact("errno", attempt.errno && `${attempt.errno_name} (${attempt.errno})`),
      fact("ICMP", attempt.icmp && icmpText(attempt.icmp)),
      fact("Took", span(attempt.duration_seconds)),
      attempt.evidence && evidenceFacts(attempt.evidence)?.filter(Boolean)),
    attempt.tcp_info && element("h3", {}, "tcp_info at the end"),
    attempt.tcp_info && kernelTable(attempt.tcp_info),
  ].filter(Boolean);
}

function historyNote(event) {
  if (event.success)
    return element("p", { class: "recovered" }, `${clockTime(event.time)}  succeeded again`);
  return element("details", {},
    element("summary", {},
      element("time", { datetime: exactTime(event.time), title: exactTime(event.time) }, clockTime(event.time)),
      element("span", {}, element("b", {}, event.category), ` · ${event.cause}`, event.changed ? "" : " · again")),
    element("div", { class: "evidence" }, element("p", {}, event.detail), evidenceOf(event)));
}

function historyNotes(events) {
  const notes = events.map((event) => {
    if (!detail.notes.has(event.number)) detail.notes.set(event.number, historyNote(event));
    return detail.notes.get(event.number);
  });
  return notes.length > 0 ? notes : [element("p", {}, "No failure is remembered.")];
}

function standing(target, row) {
  const failures = Object.entries(target.failures).filter(([, count]) => count > 0)
    .map(([name, count]) => `${number.format(count)} ${name}`).join(", ");
  const when = (time) => time && `${clockTime(time)}, ${age(now() - time)} ago`;
  return element("dl", {},
    fact("Group", isolated(target.group)),
    fact("Labels", row.labelText && isolated(row.labelText)),
    fact("Attempts", `${number.format(target.attempts)}, one every ${span(target.interval_seconds)}`),
    fact("Failures", failures || "none"),
    fact("Last attempt", when(target.last_attempt)),
    fact("Last success", when(target.last_success) || "never"),
    fact("Round trip", target.rtt_seconds && span(target.rtt_seconds)),
    target.connection && fact("Connection", target.connection.established
      ? `established for ${age(now() - target.connection.since)}, opened ${plural(target.connection.opens, "time", "times")}`
      : `none, opened ${plural(target.connection.opens, "time", "times")}`),
    target.trouble && fact("Trouble", withMeaning(target.trouble.trouble, target.trouble.meaning)));
}

function detailParts(target, events, row) {
  const last = target.success === false ? target.last_failure : target.last?.category ? target.last : null;
  const advice = last && known.categories?.categories.find((one) => one.category === last.category)?.advice;
  return [
    last ? element("p", { class: "says" }, last.detail)
      : element("p", { class: "says" }, target.success ? "The last attempt succeeded." : "It was not tried yet."),
    advice && element("p", { class: "next" }, element("b", {}, "Next: "), advice),
    element("h3", {}, `The ${historyWords()}`),
    element("div", { class: "wide" }, timeline(row)),
    element("div", { class: "axis" }, [clockTime(now() - historySeconds()), clockTime(now())].map((text) => element("span", {}, text))),
    element("h3", {}, "Where it stands"),
    standing(target, row),
    last && element("h3", {}, "Evidence of the last failure"),
    last && evidenceOf(last),
    element("h3", {}, "Latest failures and changes"),
    historyNotes(events),
  ].flat().filter(Boolean);
}

function detailHead(row) {
  const since = row.since ? ` for ${age(now() - row.since)}, since ${clockTime(row.since)}` : "";
  return element("div", { class: `dialog-head ${row.state}` },
    element("div", {},
      element("h2", { id: "detail-title" }, isolated(row.target)),
      element("p", {}, element("span", { class: "mark" }, STATES[row.state].word), `${since} · ${row.probe}`)),
    element("button", { type: "button", class: "plain", onclick: () => $("detail").close() }, "Close"));
}

async function drawDetail() {
  const row = known.rows.get(detail.id), id = detail.id, box = $("detail");
  if (!row) {
    box.close();
    return;
  }
  const query = new URLSearchParams({ group: row.group, target: row.target });
  const [targets, events] = await Promise.all([
    ask(`api/v1/targets?${query}`), ask(`api/v1/events?${query}&limit=200`)]);
  const labels = JSON.stringify(row.labels ?? {});
  const target = targets.targets.find((one) => one.probe === row.probe && JSON.stringify(one.labels) === labels);
  if (!target || detail.id !== id) return;
  const mine = events.events.filter((event) => event.probe === row.probe).slice(0, 40);
  const focused = box.contains(document.activeElement) ? document.activeElement : null;
  const body = element("div", { class: "dialog-body" }, detailParts(target, mine, row));
  const top = box.scrollTop;
  if (box.firstChild) {
    const said = detailHead(row).firstChild;
    box.firstChild.className = `dialog-head ${row.state}`;
    box.firstChild.replaceChild(said, box.firstChild.firstChild);
  } else {
    box.append(detailHead(row));
  }
  box.lastChild.className === "dialog-body" ? box.lastChild.replaceWith(body) : box.append(body);
  box.scrollTop = top;
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

async function openDetail(id, opener) {
  const box = $("detail"), row = known.rows.get(id);
  Object.assign(detail, { id, opener, notes: new Map() });
  wish.show = row.key.replaceAll("\0", " ");
  writeAddress();
  box.replaceChildren(detailHead(row), element("div", { class: "dialog-body" }, element("p", {}, "Asking …")));
  if (!box.open) box.showModal();
  try {
    await drawDetail();
  } catch {
    if (detail.id === id && box.lastChild) box.lastChild.replaceChildren(element("p", {}, "connhealthd does not answer; trying again."));
  }
}

function closedDetail() {
  const row = known.rows.get(detail.id);
  const tr = [...$("rows").rows].find((one) => one.rowId === row?.id);
  detail.id = null;
  wish.show = "";
  writeAddress();
  $("detail").replaceChildren();
  (tr?.querySelector("button") ?? $("list")).focus({ preventScroll: true });
}

// --- the sockets of this host

const bytes = (count) => {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  for (; count >= 1024 && at < 3; at++) count /= 1024;
  return `${Number(count.toPrecision(3))} ${units[at]}`;
};

function sheet(label, heads, rows) {
  const cell = ([text, kind = ""]) => element("td", { class: kind }, text);
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    element("table", { class: "sheet" }, element("caption", {}, label),
      element("thead", {}, element("tr", {}, heads.map(([text, kind = ""]) => element("th", { scope: "col", class: kind }, text)))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map(cell))))));
}

const amount = (count, hot) => [number.format(count ?? 0), `number${hot ? " hot" : count ? "" : " zero"}`];
const size = (count) => [bytes(count), `number${count ? "" : " zero"}`];

// Every way for a connection to end but the quiet one.
const badEnds = (ends) => Object.entries(ends).filter(([name]) => name !== "closed")
  .map(([name, count]) => `${number.format(count)} ${words(name)}`).join(", ");
const troubleText = (troubles) => troubles.map((one) => `${number.format(one.sockets)} ${words(one.trouble)}`).join(", ");

function unitRow(unit) {
  const s = unit.sockets;
  const total = Object.values(s).reduce((a, b) => a + b, 0);
  const wait = unit.close_wait_oldest_seconds;
  return [
    [isolated(unit.unit || "not known", { class: "mono" })], amount(total), amount(s.established),
    [s.close_wait ? `${number.format(s.close_wait)} (${age(wait)})` : "0", `number${s.close_wait && wait > 60 ? " hot" : s.close_wait ? "" : " zero"}`],
    amount(s.time_wait), amount(unit.retransmitted_segments),
    size(unit.send_queue_bytes), size(unit.receive_queue_bytes),
    [span(unit.rtt.mean_seconds), "number"],
    [troubleText(unit.troubles) || "–", "words"], [badEnds(unit.ends) || "–", "words"],
  ];
}

function listenerRow(one) {
  return [
    [isolated(`${one.address.includes(":") ? `[${one.address}]` : one.address}:${one.port}`, { class: "mono" })],
    [isolated(one.unit || "not known", { class: "mono" })],
    [`${number.format(one.backlog)} of ${number.format(one.backlog_limit)}`, `number${one.full ? " hot" : ""}`],
    amount(one.drops, one.drops > 0),
  ];
}

const trouble = (unit) => unit.troubles.reduce((sum, one) => sum + one.sockets, 0);
const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

function socketsParts(page) {
  if (!page.time) return [element("p", {}, "The first sweep has not finished yet.")];
  const units = page.units.filter((unit) => sum(unit.sockets) > 0 || sum(unit.ends) > 0).sort((a, b) => trouble(b) - trouble(a) || sum(b.sockets) - sum(a.sockets));
  const listeners = [...page.listeners].sort((a, b) => b.drops - a.drops || b.backlog - a.backlog);
  const missing = page.collector.missing;
  return [
    element("p", {}, `As the kernel told at ${clockTime(page.time)}, in ${span(page.duration_seconds)}; looked at every ${span(page.interval_seconds)}.` +
      (page.units_folded ? ` ${number.format(page.units_folded)} more units are summed as other.` : "")),
    sheet("Sockets by unit", [["Unit"], ["Sockets", "number"], ["Established", "number"], ["Close-wait", "number"], ["Time-wait", "number"],
      ["Sent again", "number"], ["Send queue", "number"], ["Receive queue", "number"], ["Round trip", "number"], ["In trouble now"], ["Ended badly"]],
    units.map(unitRow)),
    element("h3", {}, "Listening sockets"),
    sheet("Listening sockets", [["Address"], ["Unit"], ["Accept queue", "number"], ["Dropped", "number"]], listeners.map(listenerRow)),
    missing.length > 0 && element("h3", {}, "What cannot be seen here"),
    missing.length > 0 && element("dl", {}, missing.map((one) => fact(words(one.what), one.meaning, one.needs ? element("span", { class: "more" }, ` – ${one.needs}`) : ""))),
  ].filter(Boolean);
}

let socketsAt = 0, socketsShown = "";

async function drawSockets() {
  if (!inSockets() || Date.now() - socketsAt < SOCKETS_POLL_MS) return;
  socketsAt = Date.now();
  const answer = await fetch("api/v1/sockets", { signal: AbortSignal.timeout(ANSWER_MS) });
  if (answer.status === 404) {
    $("sockets").replaceChildren(element("p", {}, "They are not looked at: sockets.enabled is false in the configuration."));
    return;
  }
  const page = await answer.json();
  if (String(page.time) === socketsShown) return;
  socketsShown = String(page.time);
  const box = $("sockets"), index = [...box.querySelectorAll(".scroll")].indexOf(document.activeElement);
  const scrolled = [...box.querySelectorAll(".scroll")].map((region) => region.scrollLeft);
  box.replaceChildren(...socketsParts(page));
  [...box.querySelectorAll(".scroll")].forEach((region, i) => { region.scrollLeft = scrolled[i] ?? 0; });
  if (index >= 0) box.querySelectorAll(".scroll")[index]?.focus({ preventScroll: true });
}

function showView() {
  const sockets = location.hash === "#sockets";
  $("view-sockets").hidden = !sockets;
  $("view-probes").hidden = sockets;
  for (const [id, on] of [["to-probes", !sockets], ["to-sockets", sockets]]) {
    if (on) $(id).setAttribute("aria-current", "page");
    else $(id).removeAttribute("aria-current");
  }
  if (sockets) {
    socketsAt = 0;
    drawSockets().catch(() => {});
  }
}

// --- asking the daemon

const line = { timer: 0, busy: false, answeredAt: 0, lostAt: 0, why: "" };

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS) });
  if (!answer.ok) throw new Error(`it answers with HTTP status ${answer.status}`);
  return answer.json();
}

function tellLine() {
  const lost = line.lostAt > 0;
  document.body.classList.toggle("lost", lost);
  $("live").className = `scripted ${lost ? "lost" : line.answeredAt ? "live" : ""}`;
  if (lost) setText($("live"), `No answer for ${age((Date.now() - line.lostAt) / 1000)}`);
  else if (line.answeredAt) setText($("live"), "Live, every 3 seconds");
  if (!lost) {
    $("lost").replaceChildren();
    return;
  }
  if (!$("lost").firstChild)
    $("lost").append(element("p", {},
      element("strong", {}, `connhealthd does not answer since ${clock.format(line.lostAt)}`),
      line.why ? ` (${line.why}).` : ".",
      line.answeredAt ? ` What you see is from ${clock.format(line.answeredAt)}.` : "",
      " It is asked again every 3 seconds."));
}

async function poll() {
  const since = known.cursor && Date.now() - known.completeAt < COMPLETE_MS
    ? `?since=${encodeURIComponent(known.cursor)}` : "";
  const [status, overview] = await Promise.all([ask("api/v1/status"), ask(`api/v1/overview${since}`)]);
  known.status = status;
  known.categories ??= await ask("api/v1/categories");
  const changed = learn(overview);
  drawNotices();
  drawVerdict();
  if (changed) {
    drawCauses();
    drawList();
  }
  if (detail.id !== null) await drawDetail();
  await drawSockets();
}

async function turnOnce() {
  if (line.busy) return;
  line.busy = true;
  try {
    await poll();
    Object.assign(line, { answeredAt: Date.now(), lostAt: 0, why: "" });
    openWished();
  } catch (error) {
    line.lostAt ||= Date.now();
    line.why = error.message.startsWith("it answers") ? error.message : error.name === "TimeoutError" ? `no answer in ${ANSWER_MS / 1000} s` : "";
    if (!(error instanceof TypeError || error.name === "TimeoutError" || error.message.startsWith("it answers"))) console.error(error);
  }
  line.busy = false;
  tellLine();
  document.documentElement.dataset.turns = String(Number(document.documentElement.dataset.turns ?? 0) + 1);
}

// Hidden, it asks for nothing; shown again, at once.
async function keepTurning() {
  clearTimeout(line.timer);
  if (document.hidden) return;
  await turnOnce();
  clearTimeout(line.timer);
  line.timer = setTimeout(keepTurning, POLL_MS);
}

// What the address asks for when the page is opened with it.
function openWished() {
  if (!wish.show || detail.id !== null) return;
  const row = [...known.rows.values()].find((one) => one.key.replaceAll("\0", " ") === wish.show);
  if (row) openDetail(row.id, null);
  else wish.show = "";
}

function tick() {
  tellLine();
  for (const tr of $("rows").rows) {
    const row = known.rows.get(tr.rowId), time = tr.cells[1].querySelector("time");
    if (row && time) setText(time, timeText(row));
  }
}

// --- hands

function onListKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches("button.name")) return;
  const buttons = [...$("rows").querySelectorAll("button.name")];
  buttons[buttons.indexOf(event.target) + step]?.focus();
  event.preventDefault();
}

function onListClick(event) {
  const tr = event.target.closest("tr");
  if (tr && "rowId" in tr && String(getSelection()) === "") openDetail(tr.rowId, event.target);
}

function sortBy(name) {
  const first = (wish.order || "state") === name;
  want("order", first ? `${name}-down` : name === "state" ? "" : name);
}

function prepareList() {
  const names = ["state", "since", "target", "why"];
  names.forEach((name, i) => {
    const th = $("list").tHead.rows[0].cells[i];
    th.dataset.order = name;
    th.replaceChildren(element("button", { type: "button", onclick: () => sortBy(name) }, th.textContent));
  });
  $("order").replaceChildren(...Object.entries(SORTS).map(([value, text]) => element("option", { value }, text)));
  $("rows").addEventListener("keydown", onListKey);
  $("rows").addEventListener("click", onListClick);
}

function prepareFilters() {
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("find").addEventListener("input", () => want("q", $("find").value));
  for (const id of ["group", "category", "order"])
    $(id).addEventListener("change", () => want(id, $(id).value));
  $("clear").classList.add("plain");
  $("clear").addEventListener("click", () => {
    for (const name of ["q", "state", "group", "category", "cause", "page"]) wish[name] = "";
    want("page", "");
    $("find").focus();
  });
}

function begin() {
  readAddress();
  prepareList();
  prepareFilters();
  setText($("place"), location.host);
  $("detail").addEventListener("close", closedDetail);
  $("detail").addEventListener("click", (event) => {
    if (event.target === $("detail")) $("detail").close(); // beside it
  });
  addEventListener("hashchange", () => {
    showView();
    if (!inSockets()) {
      readAddress();
      drawList();
      drawCauses();
      openWished();
    }
  });
  document.addEventListener("visibilitychange", keepTurning);
  showView();
  setInterval(tick, 1000);
  setInterval(drawHistories, 30000);
  // what the page came with is seen first
  requestAnimationFrame(() => setTimeout(keepTurning));
}

begin();
