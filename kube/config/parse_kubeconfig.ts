import { loadAll, Schema, YAML11_SCHEMA } from "js-yaml";
import { dirname, resolve } from "node:path";
import type {
  AuthProvider,
  ClusterEntry,
  ContextEntry,
  ExecEntry,
  Impersonation,
  Kubeconfig,
  UserEntry,
} from "./entries.ts";
import { KubeconfigError } from "./kubeconfig_error.ts";

/** YAML 1.1 but for its times, which are texts: as kubectl's parser has it (sigs.k8s.io/yaml). */
const schema = new Schema(YAML11_SCHEMA.tags.filter(({ tagName }) => !tagName.endsWith(":timestamp")));

type Json = Readonly<Record<string, unknown>>;

/**
 * Parses a kubeconfig as kubectl does: of keys that stand there twice the last one counts, an empty text is a kubeconfig without entries,
 * and what isn't known is passed over. Names that stand there twice are refused, and so are numbers and flags where texts belong.
 *
 * @param file its path, absolute: relative paths in it begin in its folder
 * @throws {KubeconfigError}
 */
export function parseKubeconfig(text: string, file: string): Kubeconfig {
  const whole = recordOf(read(text, file), `${file} is not a valid kubeconfig: expected a mapping`);
  const entries = <T>(list: string, field: string, parse: (name: string, of: Json) => T) =>
    namedEntries(whole[list], `${list} of ${file}`, field, parse);
  const path = (value: unknown) => {
    const path = textOf(value);
    return path === "" ? "" : resolve(dirname(file), path);
  };
  return {
    clusters: entries("clusters", "cluster", (name, of) => clusterOf(name, of, path)),
    users: entries("users", "user", (name, of) => userOf(name, of, file, path)),
    contexts: entries("contexts", "context", contextOf),
    currentContext: textOf(whole["current-context"]),
  };
}

function read(text: string, file: string): unknown {
  try {
    return loadAll(text, { schema, json: true })[0];
  } catch (error) {
    const broken = yamlErrorOf(error);
    // Without its cause, which has some lines of the file: there may be tokens in them.
    throw new KubeconfigError(
      broken
        ? `${file}, line ${broken.line}, is not valid YAML: ${broken.reason}`
        : `${file} is not valid YAML`,
      { hint: "correct the file, or choose another with --kubeconfig" },
    );
  }
}

/** What js-yaml says of text that isn't YAML, without words of the text; the line counts from 1. */
function yamlErrorOf(error: unknown): { readonly line: number; readonly reason: string } | undefined {
  if (!(error instanceof Error) || error.name !== "YAMLException" || !("mark" in error)) return undefined;
  const { reason, mark } = error as { reason?: unknown; mark?: { line?: unknown } };
  if (typeof reason !== "string" || typeof mark?.line !== "number") return undefined;
  return { line: mark.line + 1, reason: reason.replace(/\s*["<!].*/s, "") };
}

function namedEntries<T>(
  value: unknown,
  where: string,
  field: string,
  parse: (name: string, of: Json) => T,
): ReadonlyMap<string, T> {
  const entries = new Map<string, T>();
  for (const item of listOf(value, where)) {
    const entry = recordOf(item, `An entry in ${where} is not valid: expected name and ${field}`);
    const name = textOf(entry.name);
    if (entries.has(name)) {
      throw new KubeconfigError(`The name "${name}" stands twice in ${where}: expected each name once`, {
        hint: "remove one of the two entries",
      });
    }
    const of = recordOf(entry[field], `"${name}" in ${where} is not valid: expected a mapping as ${field}`);
    entries.set(name, parse(name, of));
  }
  return entries;
}

function contextOf(name: string, of: Json): ContextEntry {
  return { name, cluster: textOf(of.cluster), user: textOf(of.user), namespace: textOf(of.namespace) };
}

function clusterOf(name: string, of: Json, path: (value: unknown) => string): ClusterEntry {
  const extension = listOf(of.extensions, `the extensions of cluster "${name}"`)
    .map((one) => recordOf(one, `An extension of cluster "${name}" is not valid: expected a mapping`))
    .find((one) => one.name === "client.authentication.k8s.io/exec");
  return {
    name,
    server: textOf(of.server),
    caFile: path(of["certificate-authority"]),
    caData: textOf(of["certificate-authority-data"]),
    insecure: flagOf(of["insecure-skip-tls-verify"]),
    serverName: textOf(of["tls-server-name"]),
    proxyUrl: textOf(of["proxy-url"]),
    disableCompression: flagOf(of["disable-compression"]),
    ...(extension ? { pluginConfig: extension.extension } : {}),
  };
}

function userOf(name: string, of: Json, file: string, path: (value: unknown) => string): UserEntry {
  return {
    name,
    file,
    certFile: path(of["client-certificate"]),
    certData: textOf(of["client-certificate-data"]),
    keyFile: path(of["client-key"]),
    keyData: textOf(of["client-key-data"]),
    token: textOf(of.token),
    tokenFile: path(of.tokenFile),
    username: textOf(of.username),
    password: textOf(of.password),
    as: impersonationOf(name, of),
    ...(isPresent(of["auth-provider"]) ? { authProvider: providerOf(name, of["auth-provider"]) } : {}),
    ...(isPresent(of.exec) ? { exec: execOf(name, of.exec, path) } : {}),
  };
}

function impersonationOf(name: string, of: Json): Impersonation {
  const extra = recordOf(
    of["as-user-extra"],
    `as-user-extra of user "${name}" is not valid: expected a mapping`,
  );
  return {
    user: textOf(of.as),
    uid: textOf(of["as-uid"]),
    groups: listOf(of["as-groups"], `as-groups of user "${name}"`).map(textOf),
    extra: new Map(
      Object.entries(extra).map(([key, values]) =>
        [key, listOf(values, `as-user-extra of user "${name}"`).map(textOf)] as const
      ),
    ),
  };
}

function providerOf(user: string, value: unknown): AuthProvider {
  const of = recordOf(value, `The auth-provider of user "${user}" is not valid: expected a mapping`);
  const config = recordOf(
    of.config,
    `The auth-provider of user "${user}" is not valid: expected a mapping as config`,
  );
  return {
    name: textOf(of.name),
    config: new Map(Object.entries(config).map(([key, value]) => [key, textOf(value)])),
  };
}

function execOf(user: string, value: unknown, path: (value: unknown) => string): ExecEntry {
  const of = recordOf(value, `The exec plugin of user "${user}" is not valid: expected a mapping`);
  const command = textOf(of.command);
  const env = listOf(of.env, `the exec plugin's env of user "${user}"`).map((one) =>
    recordOf(one, `The exec plugin's env of user "${user}" is not valid: expected name and value`)
  );
  return {
    apiVersion: textOf(of.apiVersion),
    command: command.includes("/") ? path(command) : command, // a bare name is looked up on PATH
    args: listOf(of.args, `the exec plugin's args of user "${user}"`).map(textOf),
    env: env.map(({ name, value }) => ({ name: textOf(name), value: textOf(value) })),
    interactiveMode: textOf(of.interactiveMode),
    installHint: textOf(of.installHint),
    provideClusterInfo: flagOf(of.provideClusterInfo),
  };
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** As kubectl, which refuses a number and a word such as `yes` without quotes. The error doesn't say it: it may be a password. */
function textOf(value: unknown): string {
  if (!isPresent(value)) return "";
  if (typeof value === "string") return value;
  const kind = typeof value !== "object" ? typeof value : Array.isArray(value) ? "list" : "mapping";
  throw new KubeconfigError(
    `A ${kind} is not a valid text in a kubeconfig: expected one in quotes`,
    { hint: "put passwords, tokens and names that are numbers or words such as yes in quotes" },
  );
}

function flagOf(value: unknown): boolean {
  if (!isPresent(value)) return false;
  if (typeof value === "boolean") return value;
  throw new KubeconfigError(
    `"${String(value).slice(0, 20)}" is not a valid flag in a kubeconfig: expected true or false`,
  );
}

function listOf(value: unknown, what: string): readonly unknown[] {
  if (!isPresent(value)) return [];
  if (Array.isArray(value)) return value;
  throw new KubeconfigError(`${what} is not valid: expected a list`);
}

function recordOf(value: unknown, problem: string): Json {
  if (!isPresent(value)) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Json; // neither null nor a list: a mapping
  throw new KubeconfigError(problem);
}
