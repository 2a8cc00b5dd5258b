import type { Laptop } from "../../e2e/lib/laptop.ts";
import type { World } from "../../e2e/lib/world.ts";
import { type Done, INSTALLED_SCALE, parseDone, scaleProgram } from "./program.ts";

/** How much a cluster is filled with. */
export interface Size {
  readonly services: number;
  readonly pods: number;
}

/** What one request of the program may take beyond what it is asked for, in milliseconds. */
const SPARE_MS = 60_000;
/** For all objects of a cluster to be made, or to be deleted, in milliseconds. */
const ALL_MS = 20 * 60_000;

/** A test cluster full of Services, EndpointSlices and pods that nothing runs of; they go when it is disposed of. */
export class FilledCluster implements AsyncDisposable {
  readonly #world: World;
  readonly #kubeconfig: string;
  readonly size: Size;
  #rollouts = 0;

  private constructor(world: World, kubeconfig: string, size: Size) {
    this.#world = world;
    this.#kubeconfig = kubeconfig;
    this.size = size;
  }

  /** Fills a cluster; what an earlier run left is taken away before. @returns also what that took */
  static async fill(world: World, size: Size): Promise<{ filled: FilledCluster; done: Done }> {
    await world.install(scaleProgram);
    const kubeconfig = await world.kubectl(["config", "view", "--raw", "--minify", "-o", "json"]);
    const filled = new FilledCluster(world, kubeconfig, size);
    try {
      await filled.#empty();
      return { filled, done: await filled.#run(world.laptop, "fill", {}, ALL_MS) };
    } catch (error) {
      await filled[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Updates statuses of pods for some seconds. @param by where the program runs */
  async touch(by: Laptop, rate: number, seconds: number): Promise<Done> {
    return await this.#run(by, "touch", { rate, seconds, replaced: this.replaced });
  }

  /** Replaces pods by others, evenly over some seconds. @param by where the program runs */
  async rollout(by: Laptop, seconds: number): Promise<Done> {
    this.#rollouts++;
    return await this.#run(by, "rollout", {
      replaced: this.replaced,
      seconds,
      generation: this.#rollouts,
    });
  }

  /** How many pods a rollout replaces. */
  get replaced(): number {
    return Math.min(500, this.size.services);
  }

  async #empty(): Promise<void> {
    await this.#run(this.#world.laptop, "empty", {}, ALL_MS);
  }

  async #run(
    laptop: Laptop,
    verb: string,
    options: Readonly<Record<string, number>>,
    timeout = 1_000 * (options["seconds"] ?? 0) + SPARE_MS,
  ): Promise<Done> {
    const flags = Object.entries({ ...this.size, ...options }).flatMap((
      [name, value],
    ) => [`-${name}`, `${value}`]);
    const command = [INSTALLED_SCALE, verb, ...flags];
    return parseDone(await laptop.output("root", command, { stdin: this.#kubeconfig, timeout }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#empty();
  }
}
