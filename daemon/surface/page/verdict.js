// SPDX-License-Identifier: Apache-2.0
// What fails, in short: the headline, the causes, what is wrong with the daemon itself.

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

