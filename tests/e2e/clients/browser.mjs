// deno-lint-ignore-file no-console -- standard output is how it answers
/** Drives a headless Chromium. Standard input: [{ open: URL }, { run: script }, { again: true }, { stranger: URL }]; says what each page has. */
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
const evaluate = async (expression, session) =>
  (await call("Runtime.evaluate", { expression }, session)).result.value;
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
  if (step.again) await load(own, "Page.reload", {});
  if (step.stranger) {
    const { browserContextId } = await call("Target.createBrowserContext");
    await load(await page({ browserContextId }), "Page.navigate", { url: step.stranger });
  }
}
await call("Browser.close").catch(() => {});
process.exit();
