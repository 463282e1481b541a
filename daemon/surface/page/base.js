// SPDX-License-Identifier: Apache-2.0
// Keeps the status page up to date. Whatever comes from a target becomes a text node, never markup:
// there is no innerHTML here, and the Content-Security-Policy forbids it.
//
// One script in several files, joined in the order of CMakeLists.txt and served as /page.js.
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

