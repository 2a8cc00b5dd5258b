// A program with all that the single file has to carry: a worker that shares code with it, npm packages, a file.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { Hono } from "hono";
import { shared } from "./parts/shared.ts";

if (import.meta.main) {
  const worker = new Worker(new URL("./parts/worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.postMessage("from main");
  const answer = await new Hono().get("/", (context) => context.text("hono")).request("/");
  console.log(JSON.stringify({
    args: Deno.args,
    npm: await answer.text(),
    worker: await promise,
    shared: shared(),
    environment: Deno.env.toObject(),
    program: Deno.execPath(),
  }));
  worker.terminate();
}
