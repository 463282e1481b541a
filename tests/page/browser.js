// SPDX-License-Identifier: Apache-2.0
// A headless Chromium on a leash: reads one JSON request a line, does it, answers with one line.
"use strict";

const fs = require("fs");
const readline = require("readline");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const options = {
  executablePath: process.env.CH_CHROMIUM || "/usr/bin/chromium",
  headless: true,
  timeout: 100000,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--font-render-hinting=none",
    "--disable-dev-shm-usage"],
};

let browser, context, page, problems = [];

function watch(fresh) {
  problems = [];
  fresh.on("pageerror", (error) => problems.push(`exception: ${error.stack}`));
  fresh.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  fresh.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  return fresh;
}

const does = {
  async open({ url, width = 1280, height = 800, scheme = "light", script = true, motion = "reduce", scale = 1 }) {
    await context?.close();
    context = await browser.newContext({
      viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, javaScriptEnabled: script,
      deviceScaleFactor: scale, locale: "en-GB", timezoneId: "UTC",
    });
    context.setDefaultTimeout(60000); // on a machine that is busy with other things as well
    page = watch(await context.newPage());
    const answer = await page.goto(url);
    return answer?.status() ?? null;
  },
  goto: ({ url }) => page.goto(url).then((answer) => answer && answer.status()),
  evaluate: ({ expression }) => page.evaluate(expression),
  // not waitForFunction(): that needs eval(), which the page's policy forbids
  async wait({ expression, limit }) {
    for (const end = Date.now() + limit * 1000; ; ) {
      const value = await page.evaluate(expression);
      if (value) return value;
      if (Date.now() > end) throw new Error(`not within ${limit} s: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  click: ({ selector }) => page.click(selector),
  fill: ({ selector, text }) => page.fill(selector, text),
  choose: ({ selector, value }) => page.selectOption(selector, value),
  press: ({ key }) => page.keyboard.press(key),
  write: ({ text }) => page.keyboard.type(text),
  offline: ({ offline }) => context.setOffline(offline),
  shot: ({ file, whole = false }) => page.screenshot({ path: file, fullPage: whole }).then(() => null),
  problems: async () => problems,
  async content({ html, width, height, scheme = "dark", file, scale = 1 }) {
    await does.open({ url: "about:blank", width, height, scheme, scale });
    await page.setContent(html);
    await page.locator("#shot").screenshot({ path: file });
  },
  async axe() {
    await page.evaluate(axe);
    const found = await page.evaluate(
      "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})");
    return found.violations.map((one) => ({
      id: one.id, help: one.help,
      nodes: one.nodes.slice(0, 5).map((node) => `${node.html.slice(0, 200)} :: ${node.failureSummary}`),
    }));
  },
};

async function main() {
  browser = await chromium.launch(options);
  console.log(JSON.stringify({ version: browser.version() }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { number, what, ...given } = JSON.parse(line);
    try {
      console.log(JSON.stringify({ number, value: (await does[what](given)) ?? null }));
    } catch (error) {
      console.log(JSON.stringify({ number, error: String(error.stack ?? error) }));
    }
  }
  await browser.close();
}

main();
