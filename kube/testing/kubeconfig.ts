import type { CommandEnvironment } from "../config/command_environment.ts";

/** A folder of a test for kubeconfigs and what is next to them. */
export interface Folder extends Disposable {
  readonly path: string;
  /** Writes a file; answers its path. */
  write(name: string, text: string, mode?: number): string;
}

export function folder(): Folder {
  const path = Deno.makeTempDirSync();
  return {
    path,
    write(name, text, mode = 0o600) {
      Deno.writeTextFileSync(`${path}/${name}`, text, { mode });
      return `${path}/${name}`;
    },
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

/** A kubeconfig with one context, cluster and user of a name. */
export function kubeconfigText(name: string, cluster: object, user: object, more: object = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster }],
    users: [{ name: `${name}-user`, user }],
    contexts: [{ name, context: { cluster: name, user: `${name}-user`, ...more } }],
  });
}

/** An environment of a command that has these variables alone, and PATH. */
export function environmentOf(variables: Record<string, string> = {}, folder = "/"): CommandEnvironment {
  return { variables: { PATH: Deno.env.get("PATH") ?? "", ...variables }, folder };
}
