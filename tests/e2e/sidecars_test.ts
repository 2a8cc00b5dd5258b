import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { output } from "./lib/command.ts";
import { cluster } from "./lib/laptop.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { workload } from "./lib/workload.ts";
import type { World } from "./lib/world.ts";

const local = { as: "on-the-laptop", http: 8081, tcp: 9100 };
const install = { timeout: 60_000 };

/** An Envoy of Istio's, for all that a port's callers see of one: it dials the application from 127.0.0.6, or from ::6. */
const envoy = {
  securityContext: { runAsUser: 1337 },
  env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
  command: ["sh", "-c", "exec socat TCP-LISTEN:15006,fork,reuseaddr TCP:$IP:8080,bind=127.0.0.6"],
};

interface Pods {
  readonly items: readonly {
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly podIP?: string; readonly phase: string };
  }[];
}

/** The one pod of a Deployment. */
class Pod {
  private constructor(readonly world: World, readonly node: number, readonly ip: string) {}

  static async of(world: World, name: string): Promise<Pod> {
    const pod = async () => (await world.get("pods", "-l", `app=${name}`) as Pods).items[0];
    await until("the pod runs", async () => (await pod())?.status.phase === "Running");
    const { spec, status } = await pod() ?? assert.fail();
    return new Pod(world, Number(spec.nodeName?.replace("node-", "")), status.podIP ?? assert.fail());
  }

  /** Runs a command of its node in its network namespace, as a CNI plugin would. */
  async inside(command: string): Promise<void> {
    const script = `for ns in /var/run/netns/cni-*; do
      if nsenter --net=$ns ip -o -4 addr | grep -q ' ${this.ip}/'; then exec nsenter --net=$ns ${command}; fi
    done; exit 9`;
    const { code, stdout, stderr } = await this.world.onNode(this.node, ["bash", "-ec", script]);
    assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
  }

  /** Undoes whatever rules it has. */
  async flush(): Promise<void> {
    await this.inside("nft flush ruleset");
  }
}

async function entryOf(person: Pmz): Promise<InterceptEntry> {
  const { items } = await person.json<{ items: InterceptEntry[] }>(["intercept", "list"]);
  return items[0] ?? assert.fail("there is no intercept");
}

/** Builds what makes the rules; answers where it is. */
async function ruleMaker(): Promise<string> {
  const said = await output([cluster, "neighbours"], { timeout: 5 * 60_000 });
  return said.trim().split("\n").at(-1) ?? assert.fail();
}

Deno.test("a pod whose sidecar takes inbound connections is refused by the sidecar's name, and never in force", async (t) => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const sidecars = await ruleMaker();
  await alice.done(["agent", "deploy"], { timeout: 120_000 });
  await using _meshed = await workload(world, {
    name: "meshed",
    container: { command: ["sleep", "infinity"] },
  });
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  const pod = await Pod.of(world, "meshed");

  const ztunnel = "iptables -t nat -A PREROUTING ! -d 127.0.0.1 -p tcp ! --dport 15008 " +
    "-m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006"; // what istio-cni makes for ambient pods
  const linkerd = "iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-port 4143";
  for (
    const [mesh, rules, because] of [
      ["Consul", `${sidecars} consul`, /to its port 20000 first \(REDIRECT\).*Consul's sidecar/],
      ["Linkerd", linkerd, /to its port 4143 first \(REDIRECT\).*Linkerd's sidecar/],
      ["Istio, TPROXY", `${sidecars} istio -b '*' -m TPROXY`, /15006 first \(TPROXY\).*Istio's sidecar with/],
      [
        "Istio, TPROXY by nftables",
        `${sidecars} istio -b '*' -m TPROXY --native-nftables`,
        /15006 first \(TPROXY\).*Istio's sidecar with/,
      ],
      ["Istio's ztunnel", ztunnel, /15006 first \(REDIRECT\).*Istio's ztunnel/],
    ] as const
  ) {
    await t.step(mesh, async () => {
      await pod.inside(rules);
      try {
        const { code, stderr, ms } = await alice.run(["intercept", "meshed", "8081", "--yes"], install);
        assert.equal(code, 8, stderr);
        assert.match(stderr, /none of 1 pods can be intercepted: meshed-/);
        assert.match(stderr, because);
        assert.ok(ms < 15_000, `took ${ms} ms`);
      } finally {
        await pod.flush();
      }
    });
  }

  await t.step(
    "a port that is left out there is intercepted, until rules that come later take it",
    async () => {
      await pod.inside(`${sidecars} consul 8080`);
      await alice.done(["intercept", "meshed", "8081", "--yes"], install);
      assert.deepEqual(await caller.who(`http://${pod.ip}:8080/`), [local.as]);
      await pod.flush();
      await pod.inside(`${sidecars} consul`);
      await until("it isn't in force any more", async () => (await entryOf(alice)).pods.ready === 0);
      assert.match((await entryOf(alice)).problems.join(), /to its port 20000 first/);
    },
  );
});

Deno.test("a pod is intercepted behind Istio's sidecar, with rules of iptables and of nftables", async (t) => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const sidecars = await ruleMaker();
  await using _meshed = await workload(world, {
    name: "mesh-app",
    container: { command: ["sleep", "infinity"] },
    others: [envoy],
  });
  await using _program = await answer(world.laptop, "alice", local);
  await using caller = await Caller.start(world);
  const pod = await Pod.of(world, "mesh-app");
  for (const option of ["", "--native-nftables"]) {
    await t.step(`istio-iptables ${option}`, async () => {
      await pod.inside(`${sidecars} istio -b '*' -d 15090 ${option}`);
      await alice.done(["intercept", "mesh-app", "8081", "--yes"], install);
      assert.deepEqual(await caller.who("http://mesh-app/"), [local.as]);
      await alice.done(["leave", "mesh-app"]);
      await pod.flush();
    });
  }
});
