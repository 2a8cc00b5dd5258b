import assert from "node:assert/strict";
import { controlFiles } from "../../wire/control.ts";
import type { Flow } from "../../wire/flow.ts";
import { helloOf } from "../../wire/hello.ts";
import { answers } from "../process/spawn.ts";
import { nothing } from "../testing/controlled.ts";
import { serveControl } from "./server.ts";

/** A state folder in which a test serves the control API. */
async function place() {
  const folder = await Deno.makeTempDir();
  return {
    folder,
    socket: `${folder}/${controlFiles.socket}`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

Deno.test("only the user may connect to the control socket", async () => {
  await using at = await place();
  await using _server = serveControl(at.folder, nothing);
  assert.equal((Deno.statSync(at.socket).mode ?? 0) & 0o777, 0o600);
});

Deno.test("the socket of a daemon that was killed is replaced", async () => {
  await using at = await place();
  Deno.listen({ transport: "unix", path: `${at.folder}/killed` });
  await Deno.rename(`${at.folder}/killed`, at.socket);
  await using _server = serveControl(at.folder, nothing);
  assert.ok(await answers(at.socket));
});

Deno.test("a server that ends leaves the socket of the one that took its place", async () => {
  await using at = await place();
  const first = serveControl(at.folder, nothing);
  await using _second = serveControl(at.folder, nothing);
  await first.withdraw();
  await first[Symbol.asyncDispose]();
  assert.ok(await answers(at.socket));
});

Deno.test("a server that withdraws can't be found any more, and still finishes its answers", async () => {
  await using at = await place();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  await using server = serveControl(at.folder, {
    ...nothing,
    async hello() {
      asked.resolve();
      await answer.promise;
      return helloOf("control", { release: "0.1.0" });
    },
  });
  using conn = await Deno.connect({ transport: "unix", path: at.socket });
  await conn.write(new TextEncoder().encode("GET /hello HTTP/1.1\r\nhost: pmz\r\nconnection: close\r\n\r\n"));
  await asked.promise;
  await server.withdraw();
  assert.equal(await answers(at.socket), false);
  answer.resolve();
  assert.match(await new Response(conn.readable).text(), /^HTTP\/1\.1 200/);
});

Deno.test("a reader that doesn't read holds the end of the server up for no longer than a second", async () => {
  await using at = await place();
  const flow = { id: "x".repeat(64 * 1024) } as Flow;
  const server = serveControl(at.folder, {
    ...nothing,
    async *followFlows() {
      for (;;) {
        await Promise.resolve();
        yield { flow };
      }
    },
  });
  {
    using conn = await Deno.connect({ transport: "unix", path: at.socket });
    await conn.write(new TextEncoder().encode("GET /flows/ended HTTP/1.1\r\nhost: pmz\r\n\r\n"));
    await conn.read(new Uint8Array(1024));
    const begun = performance.now();
    await server[Symbol.asyncDispose]();
    assert.ok(performance.now() - begun < 3_000);
  }
  await server.finished;
});

Deno.test("a stream ends in order when the server ends", async () => {
  await using at = await place();
  const server = serveControl(at.folder, {
    ...nothing,
    async *followFlows(_request, signal) {
      yield { missed: 1 };
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  });
  using conn = await Deno.connect({ transport: "unix", path: at.socket });
  await conn.write(
    new TextEncoder().encode("GET /flows/ended HTTP/1.1\r\nhost: pmz\r\nconnection: close\r\n\r\n"),
  );
  const buffer = new Uint8Array(4096);
  let text = new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  const ended = server[Symbol.asyncDispose]();
  for (let length = await conn.read(buffer); length !== null; length = await conn.read(buffer)) {
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
  await ended;
  assert.match(text, /\{"missed":1\}\n\r\n0\r\n\r\n$/); // the last chunk of RFC 9112, 7.1: it is complete
});
