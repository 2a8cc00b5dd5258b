import assert from "node:assert/strict";
import type { FlowEvent } from "../wire/control.ts";
import { formatWhen } from "./flow_lines.ts";
import { helloOf } from "../wire/hello.ts";
import { doneFlow, interceptedFlow, refusedFlow } from "./testing/fake_daemon.ts";
import { World } from "./testing/run.ts";
import { formatBytes } from "./terminal.ts";

Deno.test("a flow that ended says how long ago, an open one for how long", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  assert.equal(formatWhen(refusedFlow, now), "2 min ago");
  assert.equal(formatWhen(interceptedFlow, now), "open 3.0 s");
  assert.equal(formatWhen({ ...refusedFlow, started: "2026-01-01T12:00:05Z" }, now), "0 ms ago"); // clocks differ
});

Deno.test("bytes are given in the unit that people read", () => {
  assert.deepEqual([0, 1023, 1234, 20_000, 5_000_000, 3 * 2 ** 30].map(formatBytes), [
    "0 B",
    "1023 B",
    "1.2 KiB",
    "20 KiB",
    "4.8 MiB",
    "3.0 GiB",
  ]);
});

Deno.test("-f shows each connection that ends, and how many were left out", async () => {
  await using world = new World();
  const { code, stdout, stderr } = await world.pmz("flows -f");
  assert.equal(code, 0);
  const [done, refused, ...more] = stdout.split("\n");
  assert.match(
    done ?? "",
    /^\d\d:\d\d:\d\d {2}127\.0\.0\.1:50000 -> echo\.default\.svc:80: done in 1\.5 s; 300 B sent, 20 KiB received$/,
  );
  assert.match(refused ?? "", /payments\.default\.svc:8080: refused by the gateway: no ready endpoint$/);
  assert.deepEqual(more, [""]);
  assert.match(stderr, /^warning: 3 connections were left out.*\npmz is down\n$/);
});

Deno.test("-f --failed shows only those that failed", async () => {
  await using world = new World();
  const { stdout } = await world.pmz("flows -f --failed -o json");
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(lines, [{ apiVersion: "pmz.dev/cli/v1", kind: "Flow", flow: refusedFlow }]);
});

/** A control socket that says hello, and breaks the answer off as `how` does. */
async function following(how: (path: string) => void | Promise<void>) {
  await using world = new World({ running: false });
  const path = `${world.folder}/control.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const conn of listener) {
      const request = new Uint8Array(4096);
      const length = await conn.read(request) ?? 0;
      if (new TextDecoder().decode(request.subarray(0, length)).startsWith("GET /hello ")) {
        await conn.write(answer(JSON.stringify(helloOf("control", { release: "0.1.0" }))));
      } else {
        await how(path);
        await conn.write(answer('{"missed":', 100));
      }
      conn.close();
    }
  })();
  const ran = await world.pmz("flows -f");
  listener.close();
  await serving;
  return ran;
}

/** An answer of HTTP, whose body may be shorter than it says. */
function answer(body: string, length = body.length): Uint8Array {
  return new TextEncoder().encode(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n${body}`);
}

Deno.test("-f ends in order with `pmz down`, also where the answer is broken off", async () => {
  const { code, stderr } = await following((path) => Deno.remove(path));
  assert.deepEqual([code, stderr], [0, "pmz is down\n"]);
});

Deno.test("-f says in plain words that the daemon ended unexpectedly", async () => {
  const { code, stderr } = await following(() => {});
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: the daemon ended unexpectedly while following flows\n {2}hint: its log may say why: .*daemon\.log\n$/,
  );
});

Deno.test("Ctrl-C ends the following, which is no failure", async () => {
  const controller = new AbortController();
  const flowEvents: readonly FlowEvent[] = [{ flow: doneFlow }];
  await using world = new World({ answers: { flowEvents, flowsStay: true } });
  let seen = "";
  const { code, stderr } = await world.pmz("flows --follow", {
    interrupted: controller.signal,
    stdout: {
      isTerminal: false,
      columns: () => undefined,
      write(text) {
        seen += text;
        controller.abort(new DOMException("interrupted", "AbortError"));
      },
    },
  });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(seen, /echo\.default\.svc:80: done/);
  await world.daemon.readerGone.promise;
});

Deno.test("without failures and connections it says so", async () => {
  await using world = new World({ answers: { flows: [] } });
  assert.equal((await world.pmz("flows")).stdout, "no connections\n");
  assert.equal((await world.pmz("flows --failed")).stdout, "no failed connections\n");
});
