// What every scenario needs: a browser, the club's address, and an end with a sentence. ops/browser
// runs them; CLUB_TEST_BROWSER is the browser's program, CLUB_BROWSER_MODULES where npm installed.

import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.CLUB_BROWSER_MODULES, "here.js"))("playwright-core");

/** How long a step of the page may take, in milliseconds. Tests share their machine. */
export const PATIENCE = 20_000;

/** Ends the scenario: this did not happen. */
export class Failed extends Error {}

/** Insists on something. */
export function insist(holds, sentence) {
  if (!holds) throw new Failed(sentence);
}

/**
 * Runs a scenario in a browser of its own: `node NAME.mjs ADDRESS [FOLDER]`, the folder being for
 * screenshots. Exit code 1 and a sentence when it fails.
 */
export async function scenario(name, play) {
  const [club = process.env.CLUB_URL ?? "http://127.0.0.1:8000", folder] = process.argv.slice(2);
  if (folder) mkdirSync(folder, { recursive: true });
  const browser = await launch();
  const page = await browser.newPage({ viewport: { width: 390, height: 844 }, locale: "ko-KR" });
  page.setDefaultTimeout(PATIENCE);
  const troubles = watch(page);
  const shot = async (what) => {
    if (folder) await page.screenshot({ path: join(folder, `${name}-${what}.png`) });
  };
  try {
    await play({ page, club, shot });
    insist(troubles.length === 0, `the page had trouble: ${troubles.join("; ")}`);
    console.log(`${name}: passed`);
  } catch (error) {
    await shot("failed");
    console.error(`${name}: ${error instanceof Failed ? error.message : error}`);
    for (const trouble of troubles) console.error(`${name}: the page said: ${trouble}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

function launch() {
  // The sandbox of the browser refuses root, which is who runs tests in containers.
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const args = [...sandbox, "--disable-gpu", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath: process.env.CLUB_TEST_BROWSER, args });
}

/** What goes wrong in a page without anybody looking at its console. */
function watch(page) {
  const troubles = [];
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(message.text());
  });
  return troubles;
}

/** `GET` as the player who is signed in on the page. */
export function asPlayer(page, path) {
  return page.evaluate(async (path) => {
    const { access_token } = JSON.parse(sessionStorage.getItem("session"));
    const answer = await fetch(path, { headers: { authorization: `Bearer ${access_token}` } });
    return answer.json();
  }, path);
}
