/** Attach and relay as they are, on a node made of network namespaces; only the cluster's objects are made up. */
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { patience } from "../../async/testing/patience.ts";
import { SeqPacket, SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import type { RelayedRule } from "../../wire/handover.ts";
import { ports } from "../../wire/places.ts";
import { Laptop, uid, until } from "../testing/laptop.ts";
import { fingerprint } from "./node_reconciler.ts";
import { limits } from "./plan.ts";
import { deno, here, ignore, intercepted, library, session, state, status } from "./testing/intercepted.ts";
import { addresses, PORT, RELAY_UID } from "./testing/world.ts";

/** A pod's further addresses, of the subnets that it is in. */
const [SECOND, SECOND6] = ["192.0.2.3/24", "2001:db8:1::3/64"];

Deno.test("only an Ed25519 key has a fingerprint", async () => {
  const { publicKey } = await Laptop.make();
  assert.match(fingerprint(publicKey) ?? "", /^[0-9a-f]{64}$/);
  const longest = "A".repeat(512);
  for (
    const other of [
      "",
      publicKey.slice(0, 56),
      `${publicKey}\n`,
      publicKey.padStart(512),
      publicKey.replace("=", "A"),
      `*${publicKey.slice(1)}`,
      longest,
      new Uint8Array(91).toBase64(), // of P-256
    ]
  ) assert.equal(fingerprint(other), undefined, other);
});

Deno.test("the most rules that a node may have fit in a message to relay", async () => {
  const folder = Deno.makeTempDirSync();
  using listener = SeqPacketListener.listen(`${folder}/s`);
  const accepted = listener.accept();
  using attach = SeqPacket.connect(`${folder}/s`);
  using relay = await accepted;
  const rule: RelayedRule = { uid: uid(1), port: 65_535, session: uid(2), publicKey: "A".repeat(60) };
  const message = { tell: "rules", rules: Array(limits.rulesPerNode).fill(rule) };
  attach.send(message);
  assert.deepEqual((await relay?.receive())?.message, message);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test({
  name: "an intercepted port: which connections go to the laptop",
  ignore,
  async fn(t) {
    await using all = await intercepted();
    const { world, attach } = all;
    const { pod4, pod6 } = addresses;
    await all.answeredBy("laptop");

    await t.step("200 connections at once go to the laptop, with a server that speaks first", async () => {
      assert.deepEqual(await world.ask("client", pod4, 200), { laptop: 200 });
    });
    await t.step("by IPv6 too", async () => {
      assert.deepEqual(await world.ask("client", pod6, 50), { laptop: 50 });
    });
    await t.step("the rule's status says so", () => {
      assert.deepEqual(status(attach)?.pods.map(({ state }) => state), ["ready"]);
    });
    await t.step("what comes from inside the pod is the pod's own", async () => {
      for (const address of ["127.0.0.1", "::1", pod4, pod6]) {
        assert.deepEqual(await world.ask("pod", address, 5), { pod: 5 }, address);
      }
    });
    await t.step(
      "so it is from and to any address of loopback, whatever address it is bound to",
      async () => {
        for (
          const [address, source] of [["127.0.0.2", "127.0.0.1"], [pod4, "127.0.0.1"], [
            "127.0.0.1",
            pod4,
          ]] as const
        ) {
          assert.match(await all.dial("pod", address, source), /^pod:/, `${source} to ${address}`);
        }
      },
    );
    await t.step(
      "a pod's second address is the pod's own too, for itself and when relay dials it",
      async () => {
        await world.run("pod", ["ip", "addr", "add", SECOND, "dev", "eth0"]);
        await world.run("pod", ["ip", "addr", "add", SECOND6, "dev", "eth0", "nodad"]);
        const second = SECOND.slice(0, -3), second6 = SECOND6.slice(0, -3);
        assert.deepEqual(
          await world.ask("client", second, 20),
          { pod: 20 },
          "relay leaves what isn't the pod's",
        );
        const isPods = async () => (await all.dial("pod", pod4, second)).startsWith("pod:");
        assert.ok(await pollUntil(isPods, { timeoutMs: 15_000 * patience }), "attach has seen the address");
        for (
          const [address, source] of [[second, pod4], [pod4, second], [second6, pod6], [
            pod6,
            second6,
          ]] as const
        ) {
          assert.match(await all.dial("pod", address, source), /^pod:/, `${source} to ${address}`);
        }
        assert.deepEqual(await world.ask("client", pod4, 5), { laptop: 5 });
      },
    );
    await t.step("what an Istio sidecar passes on goes to the laptop, by its source address", async () => {
      await world.run("pod", ["ip", "addr", "add", "::6/128", "dev", "lo"]);
      for (const [address, source] of [[pod4, "127.0.0.6"], [pod6, "::6"]] as const) {
        assert.match(await all.dial("pod", address, source), /^laptop:/, `${source} to ${address}`);
      }
    });
    await t.step(
      "a process in the pod that dials the listener itself doesn't reach the laptop",
      async () => {
        const listening = await world.run("pod", ["ss", "-Hltn"]);
        const found = [...listening.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
        assert.equal(found.length, 1);
        assert.deepEqual(await world.ask("pod", "127.0.0.1", 3, { port: found[0] ?? 0 }), { failed: 3 });
      },
    );
    await t.step("the kubelet's probes go to the pod, other programs of the node to the laptop", async () => {
      assert.deepEqual(await world.ask("node", pod4, 20, { comm: "kubelet" }), { pod: 20 });
      await new Promise((resolve) => setTimeout(resolve, 1_100)); // the next "kubelet" is another process
      assert.deepEqual(await world.ask("node", pod6, 5, { comm: "kubelet" }), { pod: 5 });
      assert.deepEqual(await world.ask("node", pod4, 20), { laptop: 20 });
    });
    await t.step("when the rule goes, the pod answers, and it is taken again with the next", async () => {
      await all.tell(attach, { rules: false });
      await all.answeredBy("pod");
      assert.doesNotMatch(await world.run("pod", ["ss", "-Hltn"]), /127\.0\.0\.1/);
      await all.tell(attach);
      await all.answeredBy("laptop");
    });
    await t.step("a pod that is being deleted stays with the laptop", async () => {
      await all.tell(attach, { deleted: true });
      await new Promise((resolve) => setTimeout(resolve, 1_500)); // more than a round
      assert.deepEqual(await world.ask("client", pod4, 20), { laptop: 20 });
    });
    await t.step("it isn't taken over again", async () => {
      await all.tell(attach, { deleted: true, rules: false });
      await all.answeredBy("pod");
      await all.tell(attach, { deleted: true });
      await new Promise((resolve) => setTimeout(resolve, 1_500)); // more than a round
      assert.deepEqual(await world.ask("client", pod4, 5), { pod: 5 });
    });
  },
});

Deno.test({
  name: "a connection that was open before is closed once, so that its caller comes to the laptop",
  ignore,
  async fn() {
    await using all = await intercepted({ tunnel: "none" });
    const { world, attach } = all;
    await until(() => status(attach) !== undefined, "attach has seen the rule");
    const nc = [
      Deno.execPath(),
      "eval",
      `
      const c = await Deno.connect({ hostname: "${addresses.pod4}", port: ${PORT} });
      const into = new Uint8Array(64);
      console.log(new TextDecoder().decode(into.subarray(0, await c.read(into))));
      try { console.log("read", await c.read(into)); } catch (e) { console.log(e.name); }`,
    ];
    const caller = world.start("client", nc);
    await until(() => caller.lines.length === 1, "the pod has answered");
    assert.equal(caller.lines[0], "pod:");
    const inside = world.start("pod", nc);
    await until(() => inside.lines.length === 1, "the pod has answered inside");
    await using _ = world.start("agent", [...deno, `${here}laptop_alone.ts`, String(ports.relay), session]);
    await all.tell(attach); // the key is another: what follows is that it doesn't become live
    assert.equal((await world.ask("client", addresses.pod4, 1)).pod, 1);
    assert.equal(caller.lines.length, 1);
    await until(() => _.lines.length === 1, "the new laptop has a key");
    await attach.write(JSON.stringify(state(world, _.lines[0] ?? "")));
    await all.answeredBy("laptop");
    await until(() => caller.lines.length === 2, "the caller's connection was closed");
    assert.equal(caller.lines[1], "ConnectionReset");
    assert.equal(inside.lines.length, 1);
  },
});

Deno.test({
  name: "relay or attach killed or hung: the pod answers, and the laptop again when they are back",
  ignore,
  async fn(t) {
    await using all = await intercepted();
    const { world } = all;
    let { relay, attach } = all;
    await all.answeredBy("laptop");

    await t.step("kill -9 of relay", async () => {
      await relay.kill();
      assert.deepEqual(await world.ask("client", addresses.pod4, 50), { pod: 50 });
      relay = world.startRelay();
      await all.answeredBy("laptop");
    });
    await t.step("relay hangs: within two seconds", async () => {
      relay.signal("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      assert.deepEqual(await world.ask("client", addresses.pod4, 50), { pod: 50 });
      relay.signal("SIGCONT");
      await all.answeredBy("laptop");
    });
    await t.step("kill -9 of attach", async () => {
      await attach.kill();
      assert.deepEqual(await world.ask("client", addresses.pod4, 50), { pod: 50 });
      attach = world.startAttach(library ?? "");
      await all.tell(attach);
      await all.answeredBy("laptop");
    });
    await t.step("attach hangs, and then the laptop goes: the pod answers in five seconds", async () => {
      attach.signal("SIGSTOP");
      await world.ask("client", addresses.pod4, 20);
      await all.honest.process.kill();
      const start = performance.now();
      let counts: Record<string, number> = {};
      while (counts.pod !== 100 && performance.now() - start < 8_000 * patience) {
        counts = await world.ask("client", addresses.pod4, 100);
      }
      const took = performance.now() - start;
      assert.equal(took < 6_000 * patience, true, `${took} ms, ${JSON.stringify(counts)}`);
      attach.signal("SIGCONT");
    });
    await t.step("the laptop's tunnel is gone, and the status says so", async () => {
      await all.answeredBy("pod", 1_000 * patience);
      await until(() => status(attach)?.pods[0]?.state === "waiting", "the status says that it waits");
    });
    await t.step("relay ends in order", async () => {
      relay.signal("SIGTERM");
      await until(() => relay.lines.some((line) => line.includes('"stopped"')), "relay has stopped");
      assert.deepEqual(await world.ask("client", addresses.pod4, 5), { pod: 5 });
    });
  },
});

Deno.test({
  name: "a pod that a relay without free descriptors can't take answers, and is taken over later",
  ignore,
  async fn() {
    await using all = await intercepted();
    await all.answeredBy("laptop");
    const limit = async (files: number) => {
      const args = ["--pid", `${all.relay.pid}`, `--nofile=${files}:`];
      const user = { uid: RELAY_UID, gid: RELAY_UID, cwd: "/" }; // root would need CAP_SYS_RESOURCE
      assert.ok((await new Deno.Command("prlimit", { args, ...user }).output()).success);
    };
    await all.tell(all.attach, { rules: false });
    await all.answeredBy("pod");
    await limit(8);
    await all.tell(all.attach);
    await until(
      () => status(all.attach)?.pods[0]?.reason?.includes("relay couldn't take the pod over") ?? false,
      "the status says why",
      15_000,
    );
    assert.deepEqual(await all.world.ask("client", addresses.pod4, 20), { pod: 20 });
    await limit(1024);
    await all.answeredBy("laptop", 30_000 * patience); // attach tries every 10 s
    assert.equal(all.relay.lines.filter((line) => line.includes("connection to attach")).length, 0);
    assert.deepEqual(await all.world.ask("client", addresses.pod4, 200), { laptop: 200 });
  },
});

Deno.test({
  name: "a node whose kernel refuses the program says so by its name, and its pods answer",
  ignore,
  async fn() {
    await using all = await intercepted({ kernel: "refuses" });
    await until(() => status(all.attach)?.pods[0]?.state === "refused", "the status says that it lasts");
    assert.match(
      status(all.attach)?.pods[0]?.reason ?? "",
      /^node node-1 can't steer connections: open intercept/,
    );
    assert.deepEqual(await all.world.ask("client", addresses.pod4, 5), { pod: 5 });
  },
});

for (const tunnel of ["none", "forged"] as const) {
  Deno.test({
    name: `nothing is steered without a proof of the session's key (${tunnel})`,
    ignore,
    async fn() {
      await using all = await intercepted({ tunnel });
      await until(
        () => status(all.attach)?.pods[0]?.reason?.includes("no tunnel") ?? false,
        "it is taken over and waits",
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      assert.deepEqual(await all.world.ask("client", addresses.pod4, 50), { pod: 50 });
      assert.deepEqual(status(all.attach)?.pods.map(({ state }) => state), ["waiting"]);
    },
  });
}
