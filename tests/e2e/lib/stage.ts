import { answerer } from "./answerer.ts";
import { Pmz } from "./pmz.ts";
import { renewAgents } from "./renew_agents.ts";
import { World } from "./world.ts";

/** What `./dev build` made, or another file that is called pmz. */
export const builtFile = Deno.env.get("PMZ_BUILT_FILE") ??
  new URL("../../../dist/pmz", import.meta.url).pathname;

/**
 * A world with the built file on both laptops, and people who use it. When it is disposed of all of them have left the
 * cluster again; what is installed in the cluster stays, so that the next test needn't wait for it.
 */
export class Stage implements AsyncDisposable {
  readonly world: World;
  /** On laptop 1; sudo asks her for her password. */
  readonly alice: Pmz;
  /** On the same laptop; sudo asks him nothing. */
  readonly bob: Pmz;
  /** On laptop 2. */
  readonly otherBob: Pmz;

  private constructor(world: World) {
    this.world = world;
    this.alice = new Pmz(world.laptop, "alice");
    this.bob = new Pmz(world.laptop, "bob");
    this.otherBob = new Pmz(world.other, "bob");
  }

  /** Two nodes, the built file installed and unpacked, nobody connected; agents that are installed are the built file's. */
  static async set(): Promise<Stage> {
    const stage = new Stage(await World.up({ nodes: 2 }));
    try {
      await stage.world.install(builtFile);
      await using answering = await answerer();
      await stage.world.install(answering.file);
      await stage.#leave((person) => person.up()); // what a killed run left goes that way
      await renewAgents(stage.world, stage.alice);
      return stage;
    } catch (error) {
      await stage.world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Has `pmz up` work, at first with an agent to install. */
  async up(...args: string[]): Promise<Pmz> {
    await this.alice.up(...args);
    return this.alice;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#leave();
    } finally {
      await this.world[Symbol.asyncDispose]();
    }
  }

  /** Has everyone leave who has a daemon or a helper; where something is left by that, `repair` comes before another try. */
  async #leave(repair?: (person: Pmz) => Promise<unknown>): Promise<void> {
    await Promise.all([this.alice, this.bob, this.otherBob].map(async (person) => {
      const there = await person.laptop.run(person.person, [
        "sh",
        "-c",
        'ls ~/.local/state/pmz/control.sock "/run/pmz/$(id -u)/helper.sock"',
      ]);
      if (there.stdout === "") return;
      if (repair && (await person.run(["down"])).code !== 0) await repair(person);
      await person.done(["down"]);
    }));
  }
}
