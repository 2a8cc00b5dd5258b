import type { World } from "./world.ts";
import type { Ended, RunOptions } from "./command.ts";

/** Where a caller runs, and what it is to others. */
export interface CallerOptions {
  /** The scheduler chooses without it. */
  readonly node?: number;
  /** One that exists; `default` without it. */
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A pod that calls Services, as any program in the cluster does: it has curl, bash and nc. */
export class Caller implements AsyncDisposable {
  readonly #world: World;
  readonly name: string;
  readonly namespace: string;

  private constructor(world: World, namespace: string) {
    this.#world = world;
    this.name = `caller-${crypto.randomUUID().slice(0, 8)}`;
    this.namespace = namespace;
  }

  /** Starts one, and waits until it is ready. */
  static async start(
    world: World,
    { node, namespace = "default", labels = {} }: CallerOptions = {},
  ): Promise<Caller> {
    const caller = new Caller(world, namespace);
    await world.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: caller.name, namespace, labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        ...(node === undefined ? {} : { nodeName: `node-${node}` }),
        containers: [{ name: "caller", image: "pmz.test/base:1", command: ["sleep", "infinity"] }],
      },
    });
    const ready = ["--for=condition=Ready", `pod/${caller.name}`, "--timeout=30s"];
    await world.kubectl(["-n", namespace, "wait", ...ready], { timeout: 40_000 });
    return caller;
  }

  /** Runs a script in it, to its end. */
  run(script: string, options?: RunOptions): Promise<Ended> {
    return this.#world.inPod(`${this.namespace}:${this.name}`, ["bash", "-c", script], options);
  }

  /** Which server says that it answered, for each of `count` requests one after the other; "" where none did. */
  async who(url = "http://echo/", count = 1): Promise<string[]> {
    const one = `curl -s -m 5 '${url}' | grep -o '"pod":"[^"]*"' || echo none`;
    const { stdout } = await this.run(`for i in {1..${count}}; do ${one}; done`);
    return stdout.trim().split("\n").map((line) => /"pod":"([^"]*)"/.exec(line)?.[1] ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = ["delete", "pod", this.name, "--wait=false", "--ignore-not-found"];
    await this.#world.kubectl(["-n", this.namespace, ...gone]);
  }
}
