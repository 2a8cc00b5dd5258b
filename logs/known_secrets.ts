import { loadKubeconfig } from "../kube/config/kubeconfig_files.ts";
import type { UserEntry } from "../kube/config/entries.ts";

/** Variables that are named like a secret, or hold a URL that may have a password in it. */
const SECRET_VARIABLE = /token|secret|passw|passphrase|key|credential|auth|cookie|proxy/i;

/** Where the secrets of a user are looked for. */
export interface SecretPlaces {
  /** By default those that KUBECONFIG names, or ~/.kube/config. */
  readonly kubeconfig?: string;
  readonly env: { toObject(): Record<string, string> };
}

/** The values that are secret: those of the kubeconfig's users, and of variables that are named like one. */
export function knownSecrets({ kubeconfig, env }: SecretPlaces): string[] {
  const variables = Object.entries(env.toObject()).flatMap(([name, value]) =>
    SECRET_VARIABLE.test(name) && !isPath(value) ? [value] : []
  );
  return [...variables, ...kubeconfigSecrets(kubeconfig)];
}

function kubeconfigSecrets(kubeconfig: string | undefined): string[] {
  try {
    const { users, clusters } = loadKubeconfig(kubeconfig === undefined ? {} : { kubeconfig });
    const proxies = Array.from(clusters.values(), ({ proxyUrl }) => proxyUrl);
    return [...[...users.values()].flatMap(secretsOf), ...proxies.flatMap(passwordOf)];
  } catch {
    return []; // one that can't be read has told pmz nothing
  }
}

function secretsOf(user: UserEntry): string[] {
  const { token, tokenFile, password, certData, keyData, authProvider, exec } = user;
  return [
    token,
    password,
    certData,
    keyData,
    ...fileText(tokenFile),
    ...authProvider?.config.entries().flatMap(([name, value]) =>
      /token|secret|key|password/i.test(name) ? [value] : []
    ) ?? [],
    ...exec?.env.map(({ value }) => value).filter((value) => !isPath(value)) ?? [],
    ...exec?.args.flatMap(secretArgument) ?? [],
  ];
}

/** The value of "--client-secret=...". */
function secretArgument(argument: string): string[] {
  const [, value] = /^-{0,2}[\w.-]*(?:token|secret|password|key)[\w.-]*=(.+)$/is.exec(argument) ?? [];
  return value === undefined || isPath(value) ? [] : [value];
}

function passwordOf(url: string): string[] {
  const { username = "", password = "" } = URL.parse(url) ?? {};
  return [username, password, decodeURIComponentOr(password)];
}

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function fileText(path: string): string[] {
  try {
    return path === "" || Deno.statSync(path).size > 65_536 ? [] : [Deno.readTextFileSync(path)];
  } catch {
    return [];
  }
}

/** A path says where a secret lies; it is no secret itself. */
function isPath(value: string): boolean {
  return value.startsWith("/") || value.startsWith("~/");
}
