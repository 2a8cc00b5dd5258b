import { CommandError } from "../e2e/lib/command.ts";
import { Running } from "../e2e/lib/running.ts";
import { answering, BenchWorld, CAPTURED, IMAGE, INSTALLED, NAMESPACE, NODE, UIDS } from "./bench_world.ts";
import { parseHeld } from "./load.ts";
import { MATCHING } from "./loopback/rules.ts";
import { clusterParts } from "./parts.ts";
import type { Part } from "./processes.ts";
import type { Way } from "./way.ts";

/** The Service that its pod answers, and the one that the laptop answers. */
const SERVICES = ["load", "taken"];
const TAKEN = "taken";
/** The Service with a rule for callers that aren't there: relay carries its connections without a look at them. */
const BARE = "bare";
/** How many personal rules Services have; the newest one of each takes requests that match. */
const RULES = [1, 10, 100];
/** Commands that run at a time: each waits for the cluster. */
const AT_A_TIME = 8;
/** The pod that asks. */
const CALLER = "caller";
/** Where the laptop's program answers. */
const LOCAL = { http: 18_080, http2: 18_082, bytes: 15_201 };
/** A field that the newest rule of each Service takes. */
const field = `${MATCHING.name}: ${MATCHING.value}`;
/** Connections to one port of a pod that go to the laptop at once (agent/relay/relayed_pod.ts); the pod has the next. */
const MOST_PER_PORT = 4096;
/** Milliseconds for so many connections to open. */
const OPENED_MS = 120_000;

const caller = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: CALLER, namespace: NAMESPACE },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: CALLER } },
    template: {
      metadata: { labels: { app: CALLER } },
      spec: {
        nodeName: NODE,
        terminationGracePeriodSeconds: 1,
        // The entry point serves, which keeps the pod up; what asks is run next to it.
        containers: [{ name: "load", image: IMAGE, imagePullPolicy: "Never" }],
      },
    },
  },
};

/** A pod that asks, one Service that its pod answers, and one that a program on laptop 1 answers. */
export class InterceptWorld implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #part: Part = () => undefined;
  /** The Services' own addresses: load looks a name up for each connection, and laptop and pods ask different servers. */
  readonly #addresses = new Map<string, string>();

  private constructor(readonly bench: BenchWorld) {}

  /**
   * @param pmz the built file
   * @throws {CommandError} where something of it doesn't come up
   */
  static async up(pmz: string): Promise<InterceptWorld> {
    const made = new InterceptWorld(await BenchWorld.up(pmz));
    made.#stack.use(made.bench);
    try {
      await made.bench.deploy(TAKEN, answering(TAKEN));
      await made.bench.deploy(CALLER, [caller]);
      for (const service of SERVICES) made.#addresses.set(service, await made.#clusterIp(service));
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `pmz up`, from the laptop to the pod that answers. */
  async out(): Promise<Way> {
    return {
      ...await this.bench.ours(),
      name: "out",
      title: "pmz up, from the laptop",
      ...this.#targets("load"),
      asksFromLaptop: true,
    };
  }

  /** Has a program on the laptop answer the Service, all of its ports. To be called after {@linkcode out}. */
  async intercept(): Promise<void> {
    const { laptop } = this.bench.world;
    const listen = Object.entries(LOCAL).flatMap(([what, port]) => [`-${what}`, `127.0.0.1:${port}`]);
    const program = laptop.spawn(CAPTURED, [INSTALLED, "serve", ...listen, "-held"]);
    this.#stack.defer(() => ended(program));
    await program.says(/^\{.*\}$/m);
    for (const port of ["http", "http2", "bytes"] as const) await this.#intercept(TAKEN, port);
    this.#part = clusterParts(this.bench.world.name, { uid: UIDS.bob, nodeAgents: await this.#nodeAgents() });
  }

  /** Services with personal rules, and one that relay carries without a look. To be called after {@linkcode intercept}. */
  async personal(): Promise<Way[]> {
    const services = [BARE, ...RULES.map((count) => `rules-${count}`)];
    for (const service of services) {
      await this.bench.deploy(service, answering(service));
      this.#addresses.set(service, await this.#clusterIp(service));
    }
    for (const port of ["http", "http2"] as const) {
      await this.#intercept(BARE, port, "--from", `${NAMESPACE}/app=none`);
    }
    const others: (() => Promise<void>)[] = [], newest: typeof others = [];
    for (const count of RULES) {
      for (const port of ["http", "http2"] as const) {
        for (let i = 1; i <= count; i++) {
          const value = i === count ? MATCHING.value : `person-${i}`;
          const make = () => this.#intercept(`rules-${count}`, port, "--header", `${MATCHING.name}=${value}`);
          (i === count ? newest : others).push(make);
        }
      }
    }
    await sideBySide(others);
    await sideBySide(newest);
    const of = (count: number) => count === 1 ? "one rule" : `${count} rules`;
    return [
      this.#called(BARE, "relay without a look", BARE),
      ...RULES.map((count) => this.#called(`others-${count}`, `others, ${of(count)}`, `rules-${count}`)),
      ...RULES.map((count) => ({
        ...this.#called(`matching-${count}`, `matching, ${of(count)}`, `rules-${count}`),
        field,
        laptop: ["daemon"],
      })),
    ];
  }

  async #intercept(service: string, port: keyof typeof LOCAL, ...how: string[]): Promise<void> {
    const { laptop } = this.bench.world;
    const command = ["pmz", "intercept", `${service}.${NAMESPACE}`, `${LOCAL[port]}:${port}`, ...how];
    await laptop.output(CAPTURED, [...command, "--yes", "--quiet"], { timeout: 120_000 });
  }

  /** To the Service that its pod answers. */
  pod(): Way {
    return this.#called("pod", "the pod itself", "load");
  }

  /** To the Service that the laptop answers. */
  in(): Way {
    return { ...this.#called("in", "intercepted", TAKEN), laptop: ["daemon"] };
  }

  /** To the same, when relay has the connection and gives it to the pod: while {@linkcode full}. */
  relayed(): Way {
    return this.#called("relay", "the pod, by way of relay", TAKEN);
  }

  /** Opens as many connections to the laptop as it gets, so that the pod has what comes then; disposing closes them. */
  async full(): Promise<AsyncDisposable> {
    const hold = ["hold", "-ask", "-target", this.#targets(TAKEN).http, "-connections", `${MOST_PER_PORT}`];
    const holding = this.bench.world.spawnInPod(`${NAMESPACE}:deployment/${CALLER}`, ["/load", ...hold]);
    const close = { [Symbol.asyncDispose]: () => ended(holding) };
    const { open, failed } = parseHeld((await holding.says(/^\{.*\}$/m, OPENED_MS)).toString());
    if (open === MOST_PER_PORT) return close;
    await ended(holding);
    throw new Error(
      `${open} of ${MOST_PER_PORT} connections are open, ${failed} failed: ${holding.said.trim()}`,
    );
  }

  #called(name: string, title: string, service: string): Way {
    return {
      name,
      title,
      ...this.#targets(service),
      loadProgram: "/load",
      part: (process) => this.#part(process),
      run: async (command, timeout) => {
        const { world } = this.bench;
        const ended = await world.inPod(`${NAMESPACE}:deployment/${CALLER}`, command, { timeout });
        if (ended.code !== 0) throw new CommandError(ended);
        return ended.stdout;
      },
    };
  }

  #targets(service: string): Pick<Way, "http" | "http2" | "bytes"> {
    const address = this.#addresses.get(service);
    return { http: `${address}:80`, http2: `${address}:8082`, bytes: `${address}:5201` };
  }

  async #clusterIp(service: string): Promise<string> {
    const path = "jsonpath={.spec.clusterIP}";
    return await this.bench.world.kubectl(["get", "service", "-n", NAMESPACE, service, "-o", path]);
  }

  /** UIDs of the node agents' pods, as their control groups have them. */
  async #nodeAgents(): Promise<string[]> {
    const path = "jsonpath={.items[*].metadata.uid}";
    return (await this.bench.world.kubectl(["get", "pods", "-n", "pmz-node", "-o", path])).split(" ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Does all of it, several at a time. */
async function sideBySide(all: readonly (() => Promise<void>)[]): Promise<void> {
  const left = all.values();
  const some = async () => {
    for (const one of left) await one();
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, some));
}

/** Ends a program that ends with its standard input. */
async function ended(program: Running): Promise<void> {
  await program.closeStdin().catch(() => {}); // it has ended already
  await program.status();
  await program[Symbol.asyncDispose]();
}
