// deno-lint-ignore-file no-console -- what an API server logged that doesn't start
import { type Ended, output, run, type RunOptions } from "./command.ts";
import { cluster, Laptop } from "./laptop.ts";
import { Running } from "./running.ts";

export interface WorldOptions {
  /** The cluster's name; "one" otherwise, which all tests share. */
  name?: string;
  /** How many nodes it has at least; 1 otherwise. */
  nodes?: number;
  /** IPv6 beside IPv4. */
  dualStack?: boolean;
  /** What kube-proxy works with. */
  proxy?: "iptables" | "nftables";
}

/** Parts of a cluster that can be killed and started again. */
export type Part =
  | "apiserver"
  | "etcd"
  | "controller-manager"
  | "scheduler"
  | "kubelet"
  | "containerd"
  | "kube-proxy";

/** A real Kubernetes cluster and two laptops beside it: see tests/cluster/README.md. */
export class World implements AsyncDisposable {
  readonly laptop = new Laptop(1);
  readonly other = new Laptop(2);
  #mine: boolean;

  private constructor(readonly name: string, mine: boolean) {
    this.#mine = mine;
  }

  /**
   * Brings a cluster up, or takes the one that is up, where it has what is asked for. When it is disposed of, a cluster
   * that this brought up goes, unless PMZ_KEEP_WORLD is set: `./dev test` does, and takes it down at its end.
   *
   * @throws {CommandError} with the cluster's own words
   */
  static async up({ name = "one", nodes = 1, dualStack = false, proxy }: WorldOptions = {}): Promise<World> {
    const options = [
      "--nodes",
      String(nodes),
      ...dualStack ? ["--dual-stack"] : [],
      ...proxy ? ["--proxy", proxy] : [],
    ];
    if (await fits(name, nodes, dualStack)) return new World(name, false);
    await output([cluster, "down", "--name", name], { timeout: 60_000 });
    await output([cluster, "up", "--name", name, ...options], { timeout: 20 * 60_000 }); // builds what is missing
    return new World(name, !Deno.env.get("PMZ_KEEP_WORLD"));
  }

  /** Runs kubectl as the cluster's administrator; it has to succeed. Answers its standard output. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string> {
    return output([cluster, "--name", this.name, "kubectl", ...args], options);
  }

  /** Creates or changes objects. */
  async apply(manifest: string | object): Promise<void> {
    const stdin = typeof manifest === "string" ? manifest : JSON.stringify(manifest);
    await this.kubectl(["apply", "-f", "-"], { stdin });
  }

  /** Reads an object, or a list of them, as JSON; parse it before use. */
  async get(...args: string[]): Promise<unknown> {
    return JSON.parse(await this.kubectl(["get", ...args, "-o", "json"]));
  }

  /**
   * Runs a command in a pod.
   *
   * @param pod as kubectl names it: "echo-abc", "deployment/echo"; with "namespace:" before it where that is not default
   */
  inPod(
    pod: string,
    command: readonly string[],
    options: RunOptions & { container?: string } = {},
  ): Promise<Ended> {
    return run(this.#exec(pod, command, options.container), options);
  }

  /** Starts a command in a pod that goes on while the test does other things. */
  spawnInPod(pod: string, command: readonly string[]): Running {
    return new Running(this.#exec(pod, command));
  }

  /** Runs a command on a node. */
  onNode(node: number, command: readonly string[], options?: RunOptions): Promise<Ended> {
    return run([cluster, "--name", this.name, "node", `node-${node}`, ...command], options);
  }

  /** Kills a part of the cluster and starts it again; returns before the part is ready. */
  async restart(part: Part, node = 1): Promise<void> {
    await output([cluster, "--name", this.name, "restart", `node-${node}`, part]);
  }

  /**
   * Waits until the API server is ready, two minutes at most: a busy machine takes its time to start one. One that
   * isn't ready within 30 seconds is started again, as a kubelet would do, and what it logged is shown.
   */
  async serverReady(): Promise<void> {
    for (let attempt = 1;; attempt++) {
      const failure = await this.#readyWithin(30_000);
      if (failure === undefined) return;
      const { stdout: log } = await run([cluster, "--name", this.name, "log", "apiserver"]);
      console.log(`the API server isn't ready: ${failure}; its log:\n${log}`);
      if (attempt === 4) {
        throw new Error(`the API server isn't ready, and was started again three times: ${failure}`);
      }
      await this.restart("apiserver");
    }
  }

  /** Why the API server isn't ready, that many milliseconds later; undefined as soon as it is. */
  async #readyWithin(duration: number): Promise<string | undefined> {
    const ready = [
      cluster,
      "--name",
      this.name,
      "kubectl",
      "get",
      "--raw",
      "/readyz",
      "--request-timeout=2s",
    ];
    for (const end = performance.now() + duration;;) {
      const { code, stderr } = await run(ready, { timeout: 10_000 });
      if (code === 0) return undefined;
      if (performance.now() > end) return stderr.trim();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Puts a program onto both laptops, for everyone there: the built file, dist/pmz. */
  async install(file: string): Promise<void> {
    await output([cluster, "install", file]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#mine) return;
    this.#mine = false;
    await output([cluster, "down", "--name", this.name], { timeout: 60_000 });
  }

  #exec(pod: string, command: readonly string[], container?: string): string[] {
    const [namespace = "default", name = pod] = pod.includes(":") ? pod.split(":") : [];
    const which = ["-n", namespace, name, ...container ? ["-c", container] : []];
    return [cluster, "--name", this.name, "kubectl", "exec", "-i", ...which, "--", ...command];
  }
}

/** Whether a cluster of that name is up and has what is asked for. */
async function fits(name: string, nodes: number, dualStack: boolean): Promise<boolean> {
  const { code, stdout } = await run([cluster, "--name", name, "kubectl", "get", "nodes", "-o", "json"]);
  if (code !== 0) return false;
  const { items }: { items: KubernetesNode[] } = JSON.parse(stdout);
  const version = Deno.env.get("PMZ_KUBERNETES");
  return items.length >= nodes &&
    items.every(({ spec, status }) =>
      (spec.podCIDRs?.some((range) => range.includes(":")) ?? false) === dualStack &&
      (version === undefined || status.nodeInfo.kubeletVersion.startsWith(`v${version}.`))
    );
}

/** As the API server has it. */
interface KubernetesNode {
  readonly spec: { readonly podCIDRs?: readonly string[] };
  readonly status: { readonly nodeInfo: { readonly kubeletVersion: string } };
}
