// SPDX-License-Identifier: Apache-2.0
// The other view: the sockets of this host, by unit.

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
  if (!page.time) return [element("p", {}, "Nothing was seen yet: the first sweep has not finished, or sockets.enabled is false in the configuration.")];
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

