/**
 * A program that tries each way to an API server by TLS: `PORT CA [all]`. It trusts the certificates of the file CA, and with "all" those
 * of its process's store too. It prints the ways by which the server was reached, of this thread and of another one.
 */
// deno-lint-ignore-file no-console -- what it is for
import { trustOnlyGiven } from "../client/trust.ts";
import { waysTo } from "./trusting_worker.ts";

const [port = "", ca = "", all] = Deno.args;
if (all !== "all") trustOnlyGiven();
const here = await waysTo(port, ca);
const worker = new Worker(new URL("./trusting_worker.ts", import.meta.url), { type: "module" });
const there = await new Promise<string[]>((resolve, reject) => {
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage([port, ca]);
});
worker.terminate();
console.log(`${here} | ${there}`);
