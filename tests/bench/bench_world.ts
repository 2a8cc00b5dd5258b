import { CommandError, output, run } from "../e2e/lib/command.ts";
import type { Laptop, Person } from "../e2e/lib/laptop.ts";
import { World } from "../e2e/lib/world.ts";
import { loadProgram } from "./load.ts";
import { clusterParts } from "./parts.ts";
import { PortForward } from "./port_forward.ts";
import { type RunAsRoot, spreadSourcePorts } from "./source_ports.ts";
import type { Way } from "./way.ts";

const root = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** Where all of it is. */
export const NAMESPACE = "bench";
/** The image of load, whose entry point is `/load`. */
export const IMAGE = "pmz.test/bench-load:1";
/** The node that pods of a measurement run on, so that no other way between nodes is part of it. */
export const NODE = "node-1";
const SERVICE = `load.${NAMESPACE}.svc`;
const PROXY_PORT = 1080;
/** Who has `pmz up` there; sudo asks bob nothing. And who has `pmz up --proxy`, and kubectl. */
export const CAPTURED: Person = "bob";
const PROXIED: Person = "alice";
export const UIDS = { alice: 1000, bob: 1001 };
/** As `cluster install` has it on the laptops. */
export const INSTALLED = "/usr/local/bin/pmz-bench-load";
const SCRIPT = "/usr/local/bin/pmz-bench-proxy.lua";

/** A Service of that name whose one pod answers HTTP on port 80, HTTP/2 on port 8082, and streams of bytes on port 5201. */
export function answering(name: string): object[] {
  const metadata = { name, namespace: NAMESPACE };
  const labels = { app: name };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            nodeName: NODE,
            terminationGracePeriodSeconds: 1,
            containers: [{
              name: "load",
              image: IMAGE,
              imagePullPolicy: "Never",
              args: ["serve", "-http2", ":8082"],
            }],
          },
        },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata,
      spec: {
        selector: labels,
        ports: [
          { name: "http", port: 80, targetPort: 8080 },
          { name: "http2", port: 8082 },
          { name: "bytes", port: 5201 },
          { name: "datagrams", port: 5201, protocol: "UDP" },
        ],
      },
    },
  ];
}

const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };

/** The test cluster with a pod that answers, and on laptop 1 every way there is to it. */
export class BenchWorld implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();

  private constructor(readonly world: World) {}

  /**
   * @param pmz the built file
   * @throws {CommandError} where something of it doesn't come up
   */
  static async up(pmz: string): Promise<BenchWorld> {
    const made = new BenchWorld(await World.up());
    made.#stack.use(made.world);
    try {
      await made.#prepare(pmz);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #prepare(pmz: string): Promise<void> {
    const { world } = this;
    const machines: RunAsRoot[] = [
      (command) => world.laptop.run("root", command),
      (command) => world.other.run("root", command),
      (command) => world.onNode(1, command),
    ];
    for (const machine of machines) this.#stack.defer(await spreadSourcePorts(machine));
    const image = `${root}/dist/bench/load.tar`;
    const pack = ["--file", `${loadProgram}:load`, "--entrypoint", "/load", "--cmd", "serve"];
    await output(["python3", `${root}/tests/cluster/pack.py`, image, IMAGE, ...pack]);
    await output([`${root}/tests/cluster/cluster`, "--name", world.name, "load", image]);
    await this.#deleteNamespace();
    await world.apply(namespace);
    this.#stack.defer(() => this.#deleteNamespace());
    await this.deploy("load", answering("load"));
    await world.laptop.install(pmz);
    await world.laptop.install(loadProgram);
    const script = `${root}/dist/bench/pmz-bench-proxy.lua`;
    await Deno.writeTextFile(script, `wrk.path = "http://${SERVICE}/"\nwrk.headers["Host"] = "${SERVICE}"\n`);
    await world.laptop.install(script);
    if ((await run(this.#kubectl(["get", "namespace", "pmz"]))).code !== 0) {
      this.#stack.defer(async () => {
        await world.laptop.run(CAPTURED, ["pmz", "agent", "delete", "--yes", "--quiet"], { timeout: 60_000 });
      });
    }
  }

  /** Creates objects, and waits for the Deployment of that name among them. */
  async deploy(name: string, items: readonly object[]): Promise<void> {
    const { world } = this;
    await world.apply({ apiVersion: "v1", kind: "List", items });
    await world.kubectl(["rollout", "status", "-n", NAMESPACE, `deployment/${name}`, "--timeout", "60s"], {
      timeout: 70_000,
    });
  }

  async #deleteNamespace(): Promise<void> {
    const { world } = this;
    await world.kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"], { timeout: 60_000 });
  }

  #kubectl(args: string[]): string[] {
    return [`${root}/tests/cluster/cluster`, "--name", this.world.name, "kubectl", ...args];
  }

  /** From the pod's own node, to the pod itself. */
  async direct(): Promise<Way> {
    const ip = await this.podAddress();
    return {
      name: "direct",
      title: "the pod from its node",
      http: `${ip}:8080`,
      bytes: `${ip}:5201`,
      part: () => undefined,
      run: async (command, timeout) => {
        const ended = await this.world.onNode(1, command, { timeout });
        if (ended.code !== 0) throw new CommandError(ended);
        return ended.stdout;
      },
    };
  }

  /** What everyone has. */
  async portForward(): Promise<Way> {
    const { laptop } = this.world;
    const to = ["-n", NAMESPACE, "deployment/load"];
    const forward = this.#stack.use(new PortForward(laptop, PROXIED, to, [8080, 5201]));
    await forward.ready();
    const [http, bytes] = forward.addresses;
    return {
      name: "port-forward",
      title: "kubectl port-forward",
      http: http ?? "",
      bytes: bytes ?? "",
      loadProgram: INSTALLED,
      laptop: ["kubectl"],
      part: clusterParts(this.world.name),
      run: (command, timeout) => laptop.output(PROXIED, command, { timeout }),
      ready: () => forward.ready(),
    };
  }

  /**
   * `pmz up`: by name, as any program of the person's.
   *
   * @param laptop whose; what is measured has to be installed there
   */
  async ours(laptop: Laptop = this.world.laptop, name = "ours", title = "pmz up"): Promise<Way> {
    await this.#pmzUp(CAPTURED, [], laptop);
    return {
      name,
      title,
      http: `${SERVICE}:80`,
      bytes: `${SERVICE}:5201`,
      loadProgram: INSTALLED,
      laptop: ["daemon", "helper"],
      part: clusterParts(this.world.name, {
        uid: UIDS.bob,
        laptop: laptop.number,
        gateway: await this.#gateway(),
      }),
      run: (command, timeout) => laptop.output(CAPTURED, command, { timeout }),
    };
  }

  /** The pod's address. */
  podAddress(): Promise<string> {
    const path = "jsonpath={.items[0].status.podIP}";
    return this.world.kubectl(["get", "pods", "-n", NAMESPACE, "-l", "app=load", "-o", path]);
  }

  /** `pmz up` of another version, on laptop 2; the agents are this one's. To be called after {@linkcode ours}. */
  async before(pmz: string): Promise<Way> {
    const { other } = this.world;
    await other.install(pmz);
    await other.install(loadProgram);
    return await this.ours(other, "before", "pmz up before");
  }

  /** Ends both daemons and starts them again: from one start to the next the same program is faster or slower. */
  async restart(): Promise<void> {
    for (const laptop of [this.world.laptop, this.world.other]) {
      await laptop.output(CAPTURED, ["pmz", "down", "--quiet"], { timeout: 60_000 });
      await laptop.output(CAPTURED, ["pmz", "up", "--yes", "--quiet"], { timeout: 120_000 });
    }
  }

  /** `pmz up --proxy`: as an HTTP proxy where wrk asks, as a SOCKS5 proxy for all else. */
  async proxy(): Promise<Way> {
    await this.#pmzUp(PROXIED, [`--proxy=${PROXY_PORT}`]);
    const address = `127.0.0.1:${PROXY_PORT}`;
    return {
      name: "proxy",
      title: "pmz up --proxy",
      http: `${SERVICE}:80`,
      bytes: `${SERVICE}:5201`,
      proxied: { url: `http://${address}/`, script: SCRIPT },
      socks: address,
      loadProgram: INSTALLED,
      laptop: ["daemon"],
      part: clusterParts(this.world.name, { uid: UIDS.alice, gateway: await this.#gateway() }),
      run: (command, timeout) => this.world.laptop.output(PROXIED, command, { timeout }),
    };
  }

  async #pmzUp(person: Person, options: readonly string[], laptop = this.world.laptop): Promise<void> {
    await laptop.output(person, ["pmz", "up", "--yes", "--quiet", ...options], { timeout: 120_000 });
    this.#stack.defer(async () => {
      await laptop.run(person, ["pmz", "down", "--quiet"], { timeout: 60_000 });
    });
  }

  /** UID of the gateway's pod, as its control group has it. */
  async #gateway(): Promise<string> {
    const ready = ["--field-selector", "status.phase=Running"];
    const pods = ["get", "pods", "-n", "pmz", ...ready, "-o", "jsonpath={.items[0].metadata.uid}"];
    return await this.world.kubectl(pods);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
