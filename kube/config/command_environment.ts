/** What a command was typed in: its exec plugins, proxies, system roots and relative paths are those of there. */
export interface CommandEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  /** The working directory. */
  readonly folder: string;
}

/** The environment of this process. */
export function ownEnvironment(): CommandEnvironment {
  return { variables: Deno.env.toObject(), folder: workingFolder() };
}

function workingFolder(): string {
  try {
    return Deno.cwd();
  } catch {
    return "/"; // it was removed
  }
}

/** Reads a variable of the environment. */
export type ReadVariable = (name: string) => string | undefined;

/** Reads variables of a command's environment. */
export function variablesOf({ variables }: Pick<CommandEnvironment, "variables">): ReadVariable {
  return (name) => Object.hasOwn(variables, name) ? variables[name] : undefined;
}
