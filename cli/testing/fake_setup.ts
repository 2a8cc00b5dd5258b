import type {
  Installation,
  InstallRequest,
  Setup,
  SetupScope,
  UninstallPlan,
  UninstallRequest,
} from "../../wire/setup.ts";

/** What it answers otherwise than by itself. */
interface FakeAnswers {
  readonly installation?: Partial<Installation>;
  readonly plan?: Partial<UninstallPlan>;
}

/** An installation in a home folder that is only spoken of. */
export class FakeSetup implements Setup {
  readonly scopes: ReadonlySet<SetupScope>;
  readonly #answers: FakeAnswers;
  readonly installed: InstallRequest[] = [];
  readonly uninstalled: UninstallPlan[] = [];

  constructor(
    scopes: readonly SetupScope[] = ["user"],
    answers: FakeAnswers = {},
  ) {
    this.scopes = new Set(scopes);
    this.#answers = answers;
  }

  program(scope: SetupScope): string {
    return `${scope === "user" ? "/home/alice/.local" : "/usr/local"}/bin/pmz`;
  }

  isInstalled(scope: SetupScope): Promise<boolean> {
    return Promise.resolve(this.scopes.has(scope));
  }

  install(request: InstallRequest): Promise<Installation> {
    this.installed.push(request);
    const program = this.program(request.scope);
    return Promise.resolve({
      program,
      files: [{ path: program, outcome: "written" }],
      ...this.#answers.installation,
    });
  }

  plan({ scope, purge }: UninstallRequest): Promise<UninstallPlan> {
    const isInstalled = this.scopes.has(scope);
    return Promise.resolve({
      scope,
      isInstalled,
      files: isInstalled ? [this.program(scope)] : [],
      changed: [],
      caches: [],
      purged: purge,
      runningFor: [],
      ...this.#answers.plan,
    });
  }

  uninstall(plan: UninstallPlan): Promise<readonly string[]> {
    this.uninstalled.push(plan);
    return Promise.resolve([]);
  }
}
