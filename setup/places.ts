import type { SetupScope, SetupTexts } from "../wire/setup.ts";
import { SetupError } from "./setup_error.ts";

/** Where an installation has its files. */
export interface Places {
  readonly program: string;
  /** The link by which `kubectl pmz` finds the program. */
  readonly kubectlLink: string;
  readonly texts: Readonly<Record<keyof SetupTexts, string>>;
  /** The list of what was installed. */
  readonly record: string;
  /** Where the program's versions are unpacked (build/launcher/main.c). */
  readonly cache: string;
}

/** @throws {SetupError} where there is no home folder to install into */
export function placesOf(scope: SetupScope, env: { get(name: string): string | undefined }): Places {
  if (scope === "system") return { ...below("/usr/local/bin", "/usr/local/share"), cache: "/var/cache/pmz" };
  const home = folderNamed("HOME", env);
  if (home === undefined) {
    throw new SetupError("usage", "HOME is not set: there is no folder to install pmz into", "set HOME");
  }
  const folder = (name: string, otherwise: string) => folderNamed(name, env) ?? `${home}/${otherwise}`;
  return {
    ...below(`${home}/.local/bin`, folder("XDG_DATA_HOME", ".local/share")),
    cache: `${folder("XDG_CACHE_HOME", ".cache")}/pmz`,
  };
}

/** A variable's folder, without a slash at its end; undefined where it names none. */
function folderNamed(name: string, env: { get(name: string): string | undefined }): string | undefined {
  const named = env.get(name);
  return named?.startsWith("/") ? named.replace(/\/+$/, "") : undefined;
}

/** The folders are those that the shells, man and bash-completion look in by themselves; zsh has none in a home folder. */
function below(programs: string, data: string): Omit<Places, "cache"> {
  return {
    program: `${programs}/pmz`,
    kubectlLink: `${programs}/kubectl-pmz`,
    texts: {
      bash: `${data}/bash-completion/completions/pmz`,
      zsh: `${data}/zsh/site-functions/_pmz`,
      fish: `${data}/fish/vendor_completions.d/pmz.fish`,
      manual: `${data}/man/man1/pmz.1`,
    },
    record: `${data}/pmz/installed.json`,
  };
}
