// SPDX-License-Identifier: Apache-2.0
// The list of probes: a timeline, a row, a page of rows, the filters above them.

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

