// SPDX-License-Identifier: Apache-2.0
// The dialog about one probe, with the evidence of its failures.

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

// The event comes a moment after; the next may be open by then.
function closedDetail() {
  if ($("detail").open) return;
  const row = known.rows.get(detail.id);
  const tr = [...$("rows").rows].find((one) => one.rowId === row?.id);
  detail.id = null;
  wish.show = "";
  writeAddress();
  $("detail").replaceChildren();
  (tr?.querySelector("button") ?? $("list")).focus({ preventScroll: true });
}

