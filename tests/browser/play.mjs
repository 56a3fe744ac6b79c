// A new player signs up on /play, tosses the coin until the first mission is complete, collects its
// reward and sees the balance that the service tells. The page is loaded once.

import { asPlayer, insist, scenario } from "./browser.mjs";

const MISSION = "#mission-1"; // "play once", of the demo data

await scenario("play", async ({ page, club, shot }) => {
  await page.goto(`${club}/play`);
  await page.evaluate(() => { window.loadedOnce = true; });
  await shot("welcome");

  await page.click("#tab-up");
  await shot("sign-up");
  await page.click("#sign-up button");
  await page.waitForSelector("#live[data-state=open]");
  await page.waitForSelector(`${MISSION}[data-state=open]`);
  const before = await goldShown(page);
  insist(before === (await asPlayer(page, "/api/users/balance")).gold, `the page shows ${before} gold to begin with`);
  await shot("begin");

  await tossUntilComplete(page);
  await shot("complete");

  await page.click(`${MISSION} button`);
  await page.waitForSelector(`${MISSION}[data-state=claimed]`);
  await page.waitForFunction((before) => document.querySelector("#gold").textContent.replace(/\D/g, "") !== String(before), before);
  await shot("claimed");
  const [shown, balance] = [await goldShown(page), await asPlayer(page, "/api/users/balance")];
  insist(shown === balance.gold, `the page shows ${shown} gold, the service says ${balance.gold}`);
  insist(shown > before, `${shown} gold after a reward, ${before} before`);
  insist(await page.evaluate(() => window.loadedOnce === true), "the page was loaded again");
});

/** Each round ends with what the game said, or with a sentence. */
async function tossUntilComplete(page) {
  for (let round = 1; round <= 5; round++) {
    await page.click(round % 2 ? "#pick-heads" : "#pick-tails");
    await page.waitForSelector("#result.won, #result.lost, #result.bad");
    const said = await page.locator("#result").textContent();
    insist(!await page.locator("#result.bad").count(), `round ${round} did not count: ${said}`);
    if (await page.locator(`${MISSION}[data-state=complete]`).count()) return;
    await page.waitForSelector("#pick-heads:enabled");
  }
  // The push of the last round may still be on its way.
  await page.waitForSelector(`${MISSION}[data-state=complete]`);
}

async function goldShown(page) {
  return Number((await page.locator("#gold").textContent()).replace(/\D/g, ""));
}
