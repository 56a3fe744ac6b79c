// /test/live checks by itself that what is pushed is what REST answers: it has to turn green.

import { insist, scenario } from "./browser.mjs";

await scenario("live", async ({ page, club, shot }) => {
  await page.goto(`${club}/test/live`);
  // Buying and resuming are the last of its steps.
  await page.waitForFunction(() => document.querySelectorAll("#checks li").length >= 7
    || document.querySelector("#verdict.red"));
  await shot("verdict");
  const bad = await page.locator("#checks li.bad").allTextContents();
  insist(bad.length === 0, `checks failed: ${bad.join("; ")}`);
  insist(await page.locator("#verdict").getAttribute("data-state") === "green", "the verdict is not green");
});
