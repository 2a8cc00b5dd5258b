/** What a command was typed in: its exec plugins, proxies, system roots and relative paths are those of there. */
export interface CommandEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  /** The working directory. */
  readonly folder: string;
}

/** What the launcher of the built file sets for Deno, besides PMZ_SELF (build/launcher/main.c). */
const OF_LAUNCHER = ["PMZ_SELF", "DENO_DIR", "DENO_NO_UPDATE_CHECK", "DENO_NO_PACKAGE_JSON"];
/** Before the names of variables that the launcher keeps from Deno. */
const TYPED = "PMZ_TYPED_";

/** The environment that this process's command was typed in. */
export function ownEnvironment(): CommandEnvironment {
  return { variables: typedVariables(Deno.env.toObject()), folder: workingFolder() };
}

/** The variables as they were before the launcher, which keeps some from Deno, and sets some for it. */
export function typedVariables(own: Readonly<Record<string, string>>): Record<string, string> {
  if (own.PMZ_SELF === undefined) return { ...own };
  const entries = Object.entries(own);
  const kept = entries.filter(([name]) => !OF_LAUNCHER.includes(name) && !name.startsWith(TYPED));
  const back = entries.filter(([name]) => name.startsWith(TYPED)).map(([name, value]) =>
    [name.slice(TYPED.length), value] as const
  );
  return Object.fromEntries([...kept, ...back]);
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
