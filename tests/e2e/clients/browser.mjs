// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * Drives a headless Chromium. Standard input: [{ open: URL }, { run: script }, { again: true }, { stranger: URL }]; says what each page has.
 * { until: expression } waits until it holds, { tell: expression } says "told" and its value as JSON, { look: { width, height, dark } } sets the window,
 * { picture: name } says "picture", the name, and a screenshot (WebP) in base64.
 */
import { createRequire } from "node:module";
import { spawn } from "node:child_process";
import { once } from "node:events";
const WebSocket = createRequire("/clients.js")("ws");

let input = "";
for await (const piece of process.stdin) input += piece;
const chromium = spawn("chromium-headless-shell", [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--remote-debugging-port=0",
  "--user-data-dir=/tmp/chromium",
  "about:blank",
]);
const address = await new Promise((resolve, reject) => {
  let said = "";
  chromium.stderr.on("data", (data) => {
    said += data;
    const found = /listening on (ws:\S+)/.exec(said);
    if (found) resolve(found[1]);
  });
  chromium.on("exit", () => reject(new Error(said)));
});
const socket = new WebSocket(address);
await once(socket, "open");
const answers = new Map();
let events = () => {};
socket.on("message", (text) => {
  const message = JSON.parse(text);
  if (message.id) answers.get(message.id)(message);
  else events(message);
});
let id = 0;
const call = async (method, params = {}, sessionId) => {
  const answered = new Promise((resolve) => answers.set(++id, resolve));
  socket.send(JSON.stringify({ id, method, params, sessionId }));
  const { result, error } = await answered;
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
};
const page = async (options = {}) => {
  const { targetId } = await call("Target.createTarget", { url: "about:blank", ...options });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  await call("Page.enable", {}, sessionId);
  return sessionId;
};
const evaluate = async (expression, session) => {
  const { result } = await call(
    "Runtime.evaluate",
    { expression, awaitPromise: true, returnByValue: true },
    session,
  );
  return result.value;
};
/** How long a condition is waited for, in milliseconds. */
const UNTIL_MS = 60_000;
const until = async (expression, session) => {
  const end = Date.now() + UNTIL_MS;
  while (!await evaluate(expression, session)) {
    if (Date.now() > end) {
      const text = await evaluate("document.body.innerText", session);
      throw new Error(`it doesn't come to hold: ${expression}; the page has: ${text}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const load = async (session, method, params) => {
  const loaded = new Promise((resolve) =>
    events = ({ method }) => method === "Page.loadEventFired" && resolve()
  );
  await call(method, params, session);
  await loaded;
  console.log(await evaluate("document.body.innerText.replaceAll('\\n', ' ')", session));
};
const own = await page();
for (const step of JSON.parse(input)) {
  if (step.open) await load(own, "Page.navigate", { url: step.open });
  if (step.run) await evaluate(step.run, own);
  if (step.until) await until(step.until, own);
  if (step.tell) console.log("told", JSON.stringify(await evaluate(step.tell, own)));
  if (step.look) {
    const { width, height, dark } = step.look;
    await call(
      "Emulation.setDeviceMetricsOverride",
      { width, height, deviceScaleFactor: 1, mobile: false },
      own,
    );
    await call("Emulation.setScrollbarsHidden", { hidden: true }, own);
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await call("Emulation.setEmulatedMedia", { features }, own);
  }
  if (step.picture) {
    const { data } = await call("Page.captureScreenshot", { format: "webp", quality: 90 }, own);
    console.log("picture", step.picture, data);
  }
  if (step.again) await load(own, "Page.reload", {});
  if (step.stranger) {
    const { browserContextId } = await call("Target.createBrowserContext");
    await load(await page({ browserContextId }), "Page.navigate", { url: step.stranger });
  }
}
await call("Browser.close").catch(() => {});
process.stdout.write("", () => process.exit());
