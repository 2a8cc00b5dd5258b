/** SPDY for port-forward against the libraries that API servers and container runtimes speak it with: see spdy_peer/main.go. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { spdyPortForward } from "../../kube/port_forward/spdy/port_forward.ts";
import { text } from "../../kube/testing/spdy.ts";
import { findGo, folderFor, runGo } from "./go.ts";

const go = await findGo();

/** Builds the program anew when it has changed, and runs it. */
async function startPeer(go: string) {
  const program = `${await folderFor("spdy_peer")}/spdy_peer`;
  await runGo(go, ["build", "-trimpath", "-buildvcs=false", "-o", program, "."], {
    cwd: new URL("spdy_peer/", import.meta.url).pathname,
  });
  const child = new Deno.Command(program, { stdin: "piped", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const access = {
    tls: false,
    hostname: "127.0.0.1",
    port: Number(text(value ?? new Uint8Array(0))),
    pathPrefix: "",
    caCerts: [],
    headers: {},
  };
  return {
    open: (port: number) => spdyPortForward(access, { namespace: "n", pod: "p", port }),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

interface End {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
}

async function readAll(from: End, each: (bytes: Uint8Array) => void): Promise<number> {
  const into = new Uint8Array(200_000);
  let all = 0;
  for (let n = await from.read(into); n !== null; n = await from.read(into)) {
    each(into.subarray(0, n));
    all += n;
  }
  return all;
}

async function writeAll(to: End, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

Deno.test({
  name: `moby/spdystream and our port-forward understand each other${
    go === undefined ? " (skipped: no Go to build the peer with)" : ""
  }`,
  ignore: !go,
  async fn(test) {
    if (!go) return;
    await using peer = await startPeer(go);
    const random = crypto.getRandomValues(new Uint8Array(60_000));
    await test.step("an echo of writes of every size, and a half-close", async () => {
      const sent = createHash("sha256"), got = createHash("sha256");
      const forward = await peer.open(7);
      const writing = (async () => {
        for (let size = 1; size < 1_500_000; size = size * 2 + 1) {
          const bytes = new Uint8Array(size).map((_, i) => random[i % random.length]!);
          sent.update(bytes);
          await writeAll(forward, bytes);
        }
        await forward.closeWrite();
      })();
      await readAll(forward, (bytes) => got.update(bytes));
      await writing;
      forward.close();
      assert.equal(got.digest("hex"), sent.digest("hex"));
    });
    await test.step("32 MiB up, in parts", async () => {
      const sent = createHash("sha256");
      const forward = await peer.open(9);
      const parts = Array.from({ length: 20 }, (_, i) => random.subarray(i));
      for (let i = 0; i < 28; i++) {
        for (const part of parts) sent.update(part);
        await forward.writeParts(parts);
      }
      await forward.closeWrite();
      let says = "";
      await readAll(forward, (bytes) => says += text(bytes));
      forward.close();
      assert.equal(says, `${28 * (20 * 60_000 - 190)} ${sent.digest("hex")}`);
    });
    await test.step("10,000 small writes", async () => {
      const forward = await peer.open(9);
      for (let i = 0; i < 10_000; i++) await forward.write(random.subarray(i, i + 1 + i % 50));
      await forward.closeWrite();
      let says = "";
      await readAll(forward, (bytes) => says += text(bytes));
      forward.close();
      assert.match(says, /^255000 /);
    });
    await test.step("64 MiB down, with pings between", async () => {
      const forward = await peer.open(19);
      let at = 0, wrong = 0;
      const all = await readAll(forward, (bytes) => {
        for (let i = 0; i < bytes.length; i += 97) {
          if (bytes[i] !== (((at + i) % (32 << 10)) * 7 & 255)) wrong++;
        }
        at += bytes.length;
      });
      forward.close();
      assert.equal(all, 64 << 20);
      assert.equal(wrong, 0);
    });
    await test.step("a refused port", async () => {
      const forward = await peer.open(4321);
      await assert.rejects(
        forward.read(new Uint8Array(1)),
        (error) =>
          error instanceof PortForwardError && /connect to port 4321: connection refused/.test(error.message),
      );
      forward.close();
    });
  },
});
