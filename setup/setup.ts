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
    const running = runningDaemons().filter((one) => request.scope === "system" || one === uid);
    return await planUninstall(request, placesOf(request.scope, env), running);
  }

  async uninstall(plan: UninstallPlan): Promise<readonly string[]> {
    return await uninstall(plan, placesOf(plan.scope, this.#parts.env));
  }
}
