import { pollUntil } from "../../async/poll_until.ts";
import { sleep } from "../../async/sleep.ts";
import { CommandError, type Ended } from "../e2e/lib/command.ts";
import { signalContainers } from "../faults/signal_containers.ts";
import type { Disturbances, Failed } from "./disturbances.ts";
import { ANSWERER, NAMESPACE, type Scene } from "./scene.ts";

/** Kinds of requests by what they go through; `ask.py` has the first four. */
const CONNECTIONS = ["short", "sizes", "held"];
const ASKED = [...CONNECTIONS, "names"];
/** `call`: a caller in the cluster is answered; `answerer`: by whom it should be. */
const INTERCEPTS = ["intercept", "call", "answerer"];
const ALL = [...ASKED, ...INTERCEPTS, "new name"];

/** Milliseconds until a new Service's name is answered. */
const NAME_MS = 5_000;
/** Services that come and go. */
const MOST_SERVICES = 20;

/** What was tried, by its kind, and what failed. */
export class Tally {
  readonly totals: Record<string, number> = {};
  readonly failures: Failed[] = [];

  /** Tries something, which throws where it fails. */
  async attempt(kind: string, work: () => Promise<unknown>): Promise<boolean> {
    this.totals[kind] = (this.totals[kind] ?? 0) + 1;
    const at = Date.now();
    try {
      await work();
      return true;
    } catch (error) {
      this.failures.push({ kind, at, until: Date.now(), error: wordsOf(error) });
      return false;
    }
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof CommandError) {
    const { command, code, stdout, stderr } = error.ended;
    return `${command.slice(-6).join(" ")}: ended with ${code}: ${(stderr || stdout).trim().slice(-500)}`;
  }
  return error instanceof Error ? error.message : String(error);
}

/** Services come and go; a new one's name is answered soon. @param prefix of their names, which no others have */
export async function churn(
  { world, asker }: Scene,
  tally: Tally,
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  const kubectl = (...args: string[]) => world.kubectl(["-n", NAMESPACE, ...args], { timeout: 60_000 });
  for (let i = 0; !signal.aborted; i++) {
    const name = `${prefix}-${i}`;
    const made = await tally.attempt("cluster", async () => {
      await kubectl("create", "service", "clusterip", name, "--tcp=80:8080");
      if (i >= MOST_SERVICES) {
        await kubectl("delete", "service", `${prefix}-${i - MOST_SERVICES}`, "--ignore-not-found");
      }
    });
    if (made) {
      await tally.attempt("new name", async () => {
        const looked = () =>
          asker.laptop.run(asker.person, ["getent", "ahostsv4", `${name}.${NAMESPACE}.svc`]);
        const isThere = await pollUntil(async () => (await looked()).code === 0, {
          timeoutMs: NAME_MS,
          everyMs: 100,
        });
        if (!isThere) throw new Error(`${name} isn't answered after ${NAME_MS} ms`);
      });
    }
    await sleep(1_500, signal);
  }
}

/** The pods are replaced again and again. */
export async function rollouts(
  { world }: Scene,
  tally: Tally,
  disturbances: Disturbances,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(8_000, signal);
    if (signal.aborted) break;
    await disturbances.during(
      "a rollout",
      { kinds: [...CONNECTIONS, "call"] },
      () =>
        tally.attempt("cluster", async () => {
          await world.kubectl(["rollout", "restart", "-n", NAMESPACE, "deployment/soak"]);
          const status = ["rollout", "status", "-n", NAMESPACE, "deployment/soak", "--timeout", "90s"];
          await world.kubectl(status, { timeout: 100_000 });
          // The last old pod has 3 s to end.
          await sleep(4_000, signal);
        }),
    );
  }
}

/** Connections that are open to a port are closed once when its first rule comes and when its last one goes. */
const RESET = { kinds: ["short", "call"], errors: /reset|Errno 104|answered b''/i, aftermathMs: 1_000 };

/** A personal intercept is made, takes its requests and no others, and is left again. */
export async function intercepts(
  { interceptor, pod }: Scene,
  tally: Tally,
  disturbances: Disturbances,
  signal: AbortSignal,
): Promise<void> {
  const which = ["soak", "-n", NAMESPACE];
  const pmz = (what: string, words: readonly string[]) =>
    disturbances.during(
      what,
      RESET,
      () => tally.attempt("intercept", () => interceptor.done(words, { timeout: 60_000 })),
    );
  const expect = async (from: string, ...options: string[]) => {
    let found = "";
    const isAnswered = await tally.attempt("call", async () => {
      const url = `http://soak.${NAMESPACE}.svc/`;
      found = who(await pod.run(["curl", "-sS", "-m5", ...options, url], { timeout: 20_000 }));
    });
    if (!isAnswered) return;
    await tally.attempt(
      "answerer",
      () =>
        found.startsWith(from)
          ? Promise.resolve()
          : Promise.reject(new Error(`answered by ${found} instead of ${from}`)),
    );
  };
  while (!signal.aborted) {
    const words = ["intercept", "soak", "8081:http", "-n", NAMESPACE, "--header", "x-user=soak", "--yes"];
    const made = await pmz("an intercept begins", words);
    for (let i = 0; made && i < 6 && !signal.aborted; i++) {
      await expect(ANSWERER, "-H", "x-user: soak");
      await expect("soak-");
      await sleep(500, signal);
    }
    await pmz("an intercept ends", ["leave", ...which]);
    await expect("soak-", "-H", "x-user: soak");
    await sleep(500, signal);
  }
}

function who(ended: Ended): string {
  if (ended.code !== 0) throw new CommandError(ended);
  return String((JSON.parse(ended.stdout) as { pod?: unknown }).pod);
}

/** Something that is killed or cut, and what may fail by that until it is there again. */
interface Kill {
  readonly what: string;
  readonly kinds: readonly string[];
  readonly aftermathMs?: number;
  /** How often at most: containers that are killed often are started again ever later. */
  readonly most?: number;
  run(scene: Scene): Promise<void>;
}

const rolled = async ({ world }: Scene, namespace: string, workload: string) => {
  await world.kubectl(["rollout", "status", "-n", namespace, workload, "--timeout", "90s"], {
    timeout: 100_000,
  });
};

const kills: readonly Kill[] = [
  {
    what: "the gateway's pod is deleted",
    kinds: CONNECTIONS,
    async run(scene) {
      await scene.world.kubectl(["delete", "pods", "-n", "pmz", "--all"], { timeout: 60_000 });
      await rolled(scene, "pmz", "deployment/gateway");
    },
  },
  {
    what: "the API server is killed",
    kinds: [...ALL, "cluster"],
    async run({ world }) {
      await world.restart("apiserver");
      await world.serverReady();
    },
  },
  {
    what: "the node agents' pods are deleted",
    kinds: INTERCEPTS,
    async run(scene) {
      await scene.world.kubectl(["delete", "pods", "-n", "pmz-node", "--all"], { timeout: 60_000 });
      await rolled(scene, "pmz-node", "daemonset/node-agent");
    },
  },
  {
    what: "relay is killed",
    kinds: INTERCEPTS,
    // The kubelet waits longer each time before it starts a container again.
    aftermathMs: 30_000,
    most: 2,
    async run(scene) {
      await signalContainers(scene.world, "relay", "KILL");
      await rolled(scene, "pmz-node", "daemonset/node-agent");
    },
  },
  {
    what: "the daemon is killed",
    kinds: [...ASKED, "new name"],
    async run({ asker }) {
      Deno.kill(await asker.daemon(), "SIGKILL");
      await asker.up();
    },
  },
  {
    what: "the helper is killed",
    kinds: [...ASKED, "new name"],
    async run({ asker }) {
      Deno.kill(await asker.helper(), "SIGKILL");
      await asker.up();
    },
  },
  {
    what: "the laptop's cable is pulled for 3 s",
    // kubectl runs on that laptop.
    kinds: [...ASKED, "new name", "cluster", "call"],
    async run({ asker: { laptop } }) {
      await laptop.cut();
      await sleep(3_000);
      await laptop.restore();
      await sleep(2_000);
    },
  },
];

/** Kills one of the processes or ways every now and then. */
export async function kill(
  scene: Scene,
  tally: Tally,
  disturbances: Disturbances,
  random: () => number,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const left = new Map(kills.map((one) => [one, one.most ?? Infinity]));
  while (!signal.aborted) {
    const possible = kills.filter((one) => (left.get(one) ?? 0) > 0);
    const chosen = possible[Math.floor(random() * possible.length)];
    if (!chosen) return;
    left.set(chosen, (left.get(chosen) ?? 0) - 1);
    tell(chosen.what);
    await disturbances.during(
      chosen.what,
      { kinds: chosen.kinds },
      () => tally.attempt("kill", () => chosen.run(scene)),
    );
    await sleep(6_000 + random() * 6_000, signal);
  }
}
