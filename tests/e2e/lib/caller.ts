import type { World } from "./world.ts";
import type { Ended, RunOptions } from "./command.ts";

/** A pod that calls Services, as any program in the cluster does: it has curl, bash and nc. */
export class Caller implements AsyncDisposable {
  readonly #world: World;
  readonly name: string;

  private constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Starts one, on a node if it's to be a certain one. */
  static async start(world: World, node?: number): Promise<Caller> {
    const caller = new Caller(world, `caller-${crypto.randomUUID().slice(0, 8)}`);
    await world.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: caller.name, namespace: "default" },
      spec: {
        terminationGracePeriodSeconds: 0,
        ...(node === undefined ? {} : { nodeName: `node-${node}` }),
        containers: [{ name: "caller", image: "pmz.test/base:1", command: ["sleep", "infinity"] }],
      },
    });
    await world.kubectl(["wait", "--for=condition=Ready", `pod/${caller.name}`, "--timeout=30s"], {
      timeout: 40_000,
    });
    return caller;
  }

  /** Runs a script in it, to its end. */
  run(script: string, options?: RunOptions): Promise<Ended> {
    return this.#world.inPod(this.name, ["bash", "-c", script], options);
  }

  /** Which server says that it answered, for each of `count` requests one after the other; "" where none did. */
  async who(url = "http://echo/", count = 1): Promise<string[]> {
    const one = `curl -s -m 5 '${url}' | grep -o '"pod":"[^"]*"' || echo none`;
    const { stdout } = await this.run(`for i in {1..${count}}; do ${one}; done`);
    return stdout.trim().split("\n").map((line) => /"pod":"([^"]*)"/.exec(line)?.[1] ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world.kubectl(["delete", "pod", this.name, "--wait=false", "--ignore-not-found"]);
  }
}
