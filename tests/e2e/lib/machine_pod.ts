import type { Ended, RunOptions } from "./command.ts";
import type { Running } from "./running.ts";
import type { World } from "./world.ts";

/** Where the machine's root folder is in the pod. */
const ROOT = "/machine";

/** A pod in which programs of this machine run, by `chroot` into its root folder: for those that no image has. */
export class MachinePod implements AsyncDisposable {
  readonly #world: World;
  readonly name: string;

  private constructor(world: World) {
    this.#world = world;
    this.name = `machine-${crypto.randomUUID().slice(0, 8)}`;
  }

  static async start(world: World, labels: Readonly<Record<string, string>> = {}): Promise<MachinePod> {
    const pod = new MachinePod(world);
    await world.apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: pod.name, namespace: "default", labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{
          name: "machine",
          image: "pmz.test/base:1",
          // Names are the pod's to look up. What is mounted here is so in the pod alone.
          command: ["sh", "-c", `mount --bind /etc/resolv.conf ${ROOT}/etc/resolv.conf && sleep infinity`],
          securityContext: { privileged: true },
          volumeMounts: [{ name: "root", mountPath: ROOT }],
        }],
        volumes: [{ name: "root", hostPath: { path: "/" } }],
      },
    });
    await world.kubectl(["wait", "--for=condition=Ready", `pod/${pod.name}`, "--timeout=30s"], {
      timeout: 40_000,
    });
    return pod;
  }

  run(command: readonly string[], options?: RunOptions): Promise<Ended> {
    return this.#world.inPod(this.name, ["chroot", ROOT, ...command], options);
  }

  spawn(command: readonly string[]): Running {
    return this.#world.spawnInPod(this.name, ["chroot", ROOT, ...command]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#world.kubectl(["delete", "pod", this.name, "--wait=false", "--ignore-not-found"]);
  }
}
