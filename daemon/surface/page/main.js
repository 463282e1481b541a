// SPDX-License-Identifier: Apache-2.0
// Asking the daemon, again and again; and the hands of the person.

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
