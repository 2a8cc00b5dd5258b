import assert from "node:assert/strict";
import { localEndpoint, tcpListener } from "../../ffi/sockets/socket.ts";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { until } from "../../async/testing/until.ts";
import { startNamesWorker } from "../../names/worker.ts";
import type { DnsStub } from "../../wire/helper.ts";
import type { WorkerThread } from "../../threads/worker.ts";
import type { RedirectedNames } from "./helper_client.ts";
import { NameCapture } from "./name_capture.ts";

/** A names worker in this thread, a helper that remembers, and a resolv.conf of the test's own. */
function surroundings(conf: string) {
  const folder = Deno.makeTempDirSync();
  const resolvConf = `${folder}/resolv.conf`;
  Deno.writeTextFileSync(resolvConf, conf);
  const { port1, port2 } = new MessageChannel();
  const beats: string[] = [];
  const worker = startNamesWorker(port2, {
    openBeat: () => ({
      beat: () => void beats.push("beat"),
      [Symbol.dispose]: () => void beats.push("stopped"),
    }),
  });
  const thread: WorkerThread & { ended: number; hangs: boolean } = {
    hangs: false,
    postMessage(message) {
      if (!this.hangs) port1.postMessage(message);
    },
    get onmessage() {
      return port1.onmessage;
    },
    set onmessage(listener) {
      port1.onmessage = listener;
    },
    onerror: null,
    ended: 0,
    terminate() {
      this.ended++;
    },
  };
  const given: { stubs: readonly DnsStub[]; ports: number[] }[] = [];
  const helper = {
    beat: undefined as number | undefined,
    released: [] as string[],
    names(stubs: readonly DnsStub[], fds: readonly number[]): Promise<RedirectedNames> {
      given.push({ stubs, ports: fds.map((fd) => localEndpoint(fd).port) });
      return Promise.resolve({ beat: this.beat, released: this.released });
    },
  };
  const log: string[] = [];
  const released: string[] = [];
  const clock = new FakeClock();
  let failed = 0;
  return {
    clock,
    resolvConf,
    thread,
    given,
    helper,
    log,
    beats,
    released,
    get failed() {
      return failed;
    },
    start: () =>
      NameCapture.start({
        helper,
        accounts: () => [{ first: 1_000, last: 1_000 }],
        resolvConf: { path: resolvConf, everyMs: 100 },
        startWorker: () => thread,
        clock,
        log: (_level, message) => void log.push(message),
        failed: () => void failed++,
        released: (addresses) => void released.push(...addresses),
      }),
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose](); // in a Worker, terminate() is all of it
      port1.close();
      port2.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

const nameserversOf = (stubs: readonly DnsStub[] | undefined) => stubs?.map((one) => one.nameserver);

Deno.test("each nameserver gets a stub, whose sockets go to the helper in order", async () => {
  await using at = surroundings("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
  {
    await using _names = await at.start();
    const [first] = at.given;
    assert.deepEqual(nameserversOf(first?.stubs), ["192.0.2.1", "192.0.2.2"]);
    const ports = first?.stubs.map(({ stub }) => Number(stub.split(":")[1]));
    assert.deepEqual(first?.ports, ports?.flatMap((port) => [port, port]));
  }
  assert.deepEqual(at.given.at(-1), { stubs: [], ports: [] }, "queries are given back first");
  assert.equal(at.thread.ended, 1);
});

Deno.test("the worker beats in the helper's map, whose descriptor isn't kept here", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  const beat = at.helper.beat = tcpListener({ address: "127.0.0.1" }); // any descriptor
  await using _names = await at.start();
  assert.ok(at.beats.includes("beat"));
  assert.throws(() => localEndpoint(beat), /getsockname/);
});

Deno.test("when the nameservers change, the helper is told the new ones", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  await using _names = await at.start();
  await Deno.writeTextFile(at.resolvConf, "nameserver 192.0.2.9\n");
  await until("the helper was told", () => at.given.length > 1);
  assert.deepEqual(nameserversOf(at.given[1]?.stubs), ["192.0.2.9"]);
});

Deno.test("nameservers that can't be followed are told in the log, and the next ones are", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  await using _names = await at.start();
  const { names } = at.helper;
  at.helper.names = () => Promise.reject(new Error("busy"));
  await Deno.writeTextFile(at.resolvConf, "nameserver 192.0.2.9\n");
  await until("it's in the log", () => at.log.length > 0);
  at.helper.names = names;
  await Deno.writeTextFile(at.resolvConf, "nameserver 192.0.2.10\n");
  await until("the helper was told", () => nameserversOf(at.given.at(-1)?.stubs)?.[0] === "192.0.2.10");
});

Deno.test("a captured address that becomes a nameserver is said to be released", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  await using _names = await at.start();
  at.helper.released = ["10.96.0.10"];
  await Deno.writeTextFile(at.resolvConf, "nameserver 10.96.0.10\n");
  await until("it's said", () => at.released.length > 0);
  assert.deepEqual(at.released, ["10.96.0.10"]);
});

Deno.test("a start that fails leaves no worker and no watch", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  at.helper.names = () => Promise.reject(new Error("the helper is gone"));
  await assert.rejects(at.start(), /the helper is gone/);
  assert.equal(at.thread.ended, 1);
});

Deno.test("a worker that dies is told, and ends quietly", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  await using names = await at.start();
  at.thread.onerror?.(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
  assert.equal(at.failed, 1);
  assert.deepEqual(at.log, ["names don't answer any longer"]);
  await assert.rejects(names.removeZone("dev"), /out of memory/);
});

Deno.test("a worker that hangs is given up within six seconds, also while the nameservers are being changed", async () => {
  await using at = surroundings("nameserver 192.0.2.1\n");
  const names = await at.start();
  at.thread.hangs = true;
  await Deno.writeTextFile(at.resolvConf, "nameserver 192.0.2.9\n");
  const waiting = names.removeZone("dev");
  waiting.catch(() => {});
  await at.clock.advance(7_000);
  assert.equal(at.failed, 1);
  await assert.rejects(waiting, /the names worker hangs/);
  await names[Symbol.asyncDispose](); // as what is started in its place does first
  assert.equal(at.thread.ended, 1);
});

Deno.test("a thread that never comes back from its work is ended", async () => {
  const busy = "data:text/javascript,self.onmessage = () => { for (;;); };";
  const started = Promise.withResolvers<void>();
  const worker = new Worker(busy, { type: "module" });
  worker.postMessage("begin");
  setTimeout(started.resolve, 200);
  await started.promise;
  worker.terminate(); // Deno's sanitizers would tell a thread that is left
});
