import type {
  Installation,
  InstallRequest,
  Setup,
  SetupScope,
  SetupTexts,
  UninstallPlan,
  UninstallRequest,
} from "../wire/setup.ts";
import { install } from "./install.ts";
import { placesOf } from "./places.ts";
import { readRecord } from "./record.ts";
import { runningDaemons } from "./running_daemons.ts";
import { SetupError } from "./setup_error.ts";
import { planUninstall, uninstall } from "./uninstall.ts";

/** What this machine is for an installation. */
export interface SetupParts {
  readonly env: { get(name: string): string | undefined };
  readonly uid: number;
  /** The single file that was started; undefined where it's the sources. */
  readonly own: string | undefined;
  /** What is installed next to the program. */
  texts(release: string): Promise<SetupTexts>;
}

/** The installation of pmz itself on this machine. */
export class LocalSetup implements Setup {
  readonly #parts: SetupParts;

  constructor(parts: SetupParts) {
    this.#parts = parts;
  }

  program(scope: SetupScope): string {
    return placesOf(scope, this.#parts.env).program;
  }

  isInstalled(scope: SetupScope): Promise<boolean> {
    return Promise.resolve(readRecord(placesOf(scope, this.#parts.env).record) !== undefined);
  }

  async install(request: InstallRequest): Promise<Installation> {
    const { env, own, texts } = this.#parts;
    this.#refuseForeignHome(request.scope);
    if (own === undefined) {
      throw new SetupError(
        "usage",
        "this pmz runs from its sources: there is no file to install",
        "to make one: ./dev build, then dist/pmz install",
      );
    }
    return await install(request, placesOf(request.scope, env), own, await texts(request.release));
  }

  async plan(request: UninstallRequest): Promise<UninstallPlan> {
    const { env, uid } = this.#parts;
    this.#refuseForeignHome(request.scope);
    const running = runningDaemons().filter((one) => request.scope === "system" || one === uid);
    return await planUninstall(request, placesOf(request.scope, env), running);
  }

  async uninstall(plan: UninstallPlan): Promise<readonly string[]> {
    return await uninstall(plan, placesOf(plan.scope, this.#parts.env));
  }

  /**
   * Root does nothing in another's home folder, as sudo may keep it in HOME: that user's list and links would say what root removes.
   * @throws {SetupError}
   */
  #refuseForeignHome(scope: SetupScope): void {
    const home = this.#parts.env.get("HOME");
    if (scope !== "user" || this.#parts.uid !== 0 || !home) return;
    const owner = ownerOf(home);
    if (owner === undefined || owner === 0) return;
    throw new SetupError(
      "usage",
      `${home} belongs to uid ${owner}, and this is root`,
      "without sudo it is done for that user; --system is for everybody",
    );
  }
}

function ownerOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).uid ?? undefined;
  } catch {
    return undefined; // what isn't there is nobody's
  }
}
