/** UDP by attach and relay as they are, on a node made of network namespaces; only the cluster's objects are made up. */
import assert from "node:assert/strict";
import { patience } from "../../async/testing/patience.ts";
import { until } from "../testing/laptop.ts";
import { ignore, intercepted, library, status, udpRule } from "./testing/intercepted.ts";
import { addresses } from "./testing/world.ts";

const CLIENT = { 4: "198.51.100.2", 6: "2001:db8:2::2" } as const;
const { pod4, pod6 } = addresses;

async function udpIntercepted() {
  const all = await intercepted({ rules: false, udp: true });
  const { world } = all;
  const from = async (address: string) => Object.keys(await world.askUdp("client", address, 1))[0] ?? "";
  return {
    ...all,
    /** Asks until one is answered by the laptop, or by the pod. */
    async answeredBy(who: "laptop" | "pod", ms = 30_000 * patience) {
      const start = performance.now();
      for (let said = ""; !said.startsWith(who);) {
        said = await from(pod4);
        if (performance.now() - start > ms) {
          throw new Error(`answered by ${said}, not by ${who}, for ${ms} ms`);
        }
      }
    },
  };
}

Deno.test({
  name: "an intercepted UDP port: which datagrams go to the laptop, and from where they are answered",
  ignore,
  async fn(t) {
    await using all = await udpIntercepted();
    const { world, attach } = all;
    await all.answeredBy("laptop");

    await t.step("200 callers at once are answered from the address and port that they asked", async () => {
      assert.deepEqual(await world.askUdp("client", pod4, 200), { laptop: 200 });
    });
    await t.step("by IPv6 too", async () => {
      assert.deepEqual(await world.askUdp("client", pod6, 50), { laptop: 50 });
    });
    await t.step("datagrams that are larger than a packet come through, both ways", async () => {
      assert.deepEqual(await world.askUdp("client", pod4, 5, { bytes: 9_000 }), { laptop: 5 });
      assert.deepEqual(await world.askUdp("client", pod6, 5, { bytes: 9_001 }), { laptop: 5 });
    });
    await t.step("the rule's status says so", () => {
      assert.deepEqual(status(attach, udpRule)?.pods.map(({ state }) => state), ["ready"]);
    });
    await t.step("TCP's port of the same number stays the pod's", async () => {
      assert.deepEqual(await world.ask("client", pod4, 5), { pod: 5 });
    });
    await t.step("what comes from inside the pod is the pod's own", async () => {
      for (const address of ["127.0.0.1", "::1"]) {
        const [who] = Object.keys(await world.askUdp("pod", address, 1));
        assert.match(who ?? "", /^pod /, address);
      }
    });
    await t.step("another rule for TCP's port doesn't disturb it", async () => {
      await all.tell(attach, { rules: true, udp: true });
      await until(() => status(attach)?.pods[0]?.state === "ready", "TCP is intercepted as well");
      assert.deepEqual(await world.askUdp("client", pod4, 20), { laptop: 20 });
      assert.deepEqual(await world.ask("client", pod4, 20), { laptop: 20 });
    });
    await t.step("when the rule goes, the pod answers, and sees who asks", async () => {
      await all.tell(attach, { rules: false });
      await all.answeredBy("pod");
      assert.deepEqual(await world.askUdp("client", pod6, 5), { [`pod ${CLIENT[6]}`]: 5 });
      await all.tell(attach);
      await all.answeredBy("laptop");
    });
  },
});

Deno.test({
  name: "UDP of callers that no rule takes goes to the pod, with their own address",
  ignore,
  async fn() {
    await using all = await udpIntercepted();
    const { world, attach } = all;
    await all.answeredBy("laptop");
    await all.tell(attach, { rules: false, udp: true, callers: [{ namespace: "another" }] });
    await until(() => status(attach, udpRule)?.pods[0]?.state === "ready", "the rule is in force");
    await all.answeredBy("pod");
    for (let i = 0; i < 3; i++) {
      const answers = await world.askUdp("client", pod4, 100);
      assert.deepEqual(Object.values(answers), [100]);
      assert.match(Object.keys(answers)[0] ?? "", new RegExp(`^pod (::ffff:)?${CLIENT[4]}$`));
      assert.deepEqual(await world.askUdp("client", pod6, 20), { [`pod ${CLIENT[6]}`]: 20 });
    }
    assert.equal(
      Object.keys(await world.askUdp("client", pod4, 2, { bytes: 9_000 }))[0]?.startsWith("pod "),
      true,
    );
  },
});

Deno.test({
  name: "UDP: relay or attach killed or hung, or the laptop gone: the pod answers",
  ignore,
  async fn(t) {
    await using all = await udpIntercepted();
    const { world } = all;
    let { relay, attach } = all;
    await all.answeredBy("laptop");
    const byPod = async (count: number) => {
      const answers = await world.askUdp("client", pod4, count);
      assert.deepEqual(Object.values(answers), [count], JSON.stringify(answers));
      assert.match(Object.keys(answers)[0] ?? "", /^pod /);
    };

    await t.step("kill -9 of relay", async () => {
      await relay.kill();
      await byPod(50);
      relay = world.startRelay();
      await all.answeredBy("laptop");
    });
    await t.step("relay hangs: within two seconds", async () => {
      relay.signal("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      await byPod(50);
      relay.signal("SIGCONT");
      await all.answeredBy("laptop");
    });
    await t.step("kill -9 of attach", async () => {
      await attach.kill();
      await byPod(50);
      attach = world.startAttach(library ?? "");
      await all.tell(attach);
      await all.answeredBy("laptop");
    });
    await t.step("the laptop is killed", async () => {
      await all.honest.process.kill();
      await byPod(50);
    });
  },
});
