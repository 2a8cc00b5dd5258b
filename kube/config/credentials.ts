import type { ApiServerAccess } from "../client/access.ts";
import type { ChosenContext } from "./chosen_context.ts";
import type { UserEntry } from "./entries.ts";
import { type PluginCredential, type PluginPlace, runPlugin } from "./exec_plugin.ts";
import { impersonationHeaders } from "./impersonation.ts";
import { KubeconfigError, messageOf } from "./kubeconfig_error.ts";
import { idToken } from "./oidc.ts";
import { isPem } from "./pem.ts";
import { caOf, withScheme } from "./server.ts";

/** What is sent to the API server to say who asks. Secret. */
export type Credentials = Pick<ApiServerAccess, "headers" | "cert" | "key">;

/** Whether the user's credentials come from an exec plugin: kubectl runs none where there is a token, a password or a certificate. */
export function needsPlugin({ user, cluster }: ChosenContext): boolean {
  return user.exec !== undefined && !isPlain(cluster.server) && ownCredential(user) === undefined;
}

/**
 * Reads the credentials of a user now, by the precedence of kubectl (client-go's transport): files are read again, an OIDC token that has
 * expired is renewed, an exec plugin runs unless `plugin` still holds.
 *
 * @param plugin what the plugin answered before
 * @throws {KubeconfigError}
 */
export async function credentialsOf(
  chosen: ChosenContext,
  place: PluginPlace,
  plugin?: PluginCredential,
): Promise<{ credentials: Credentials; plugin?: PluginCredential }> {
  const { cluster, user } = chosen;
  const as = impersonationHeaders(user.as);
  // As kubectl: nothing that says who asks is sent in the clear.
  if (isPlain(cluster.server)) return { credentials: { headers: as } };
  const certificate = certificateOf(user);
  if (needsPlugin(chosen) && user.exec) {
    const holds = plugin !== undefined && (plugin.expires === undefined || plugin.expires > Date.now());
    const credential = holds ? plugin : await runPlugin(user.exec, { cluster, ca: caOf(cluster) }, place);
    return { credentials: withPlugin(user, as, credential), plugin: credential };
  }
  const authorization = authorizationOf(user) ?? await providedBy(user, place);
  return {
    credentials: {
      headers: { ...as, ...(authorization === undefined ? {} : { authorization }) },
      ...certificate,
    },
  };
}

function isPlain(server: string): boolean {
  return !/^https:/i.test(withScheme(server));
}

/** What makes a plugin superfluous. */
function ownCredential(user: UserEntry): string | undefined {
  return [user.token, user.tokenFile, user.username, user.password, user.certFile, user.certData]
    .find((one) => one !== "");
}

function withPlugin(
  user: UserEntry,
  as: Credentials["headers"],
  { token, cert, key }: PluginCredential,
): Credentials {
  return {
    headers: { ...as, ...(token === undefined ? {} : { authorization: bearer(token, user) }) },
    ...(cert && key ? checkedPair(user, cert, key) : {}),
  };
}

/** A token or a password of the kubeconfig. A token's file counts more than a token, as long as it can be read. */
function authorizationOf(user: UserEntry): string | undefined {
  const { token, tokenFile, username, password } = user;
  if (tokenFile !== "") {
    const read = tokenIn(tokenFile);
    if (read !== undefined) return bearer(read, user);
    if (token === "") throw new KubeconfigError(`Can't read the token of user "${user.name}" (${tokenFile})`);
  }
  if (token !== "") return bearer(token, user);
  if (username === "" && password === "") return undefined;
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

function tokenIn(file: string): string | undefined {
  try {
    return Deno.readTextFileSync(file).trim() || undefined;
  } catch {
    return undefined;
  }
}

async function providedBy(user: UserEntry, { environment }: PluginPlace): Promise<string | undefined> {
  const { authProvider } = user;
  if (!authProvider) return undefined;
  if (authProvider.name === "oidc") return bearer(await idToken(user, authProvider, environment), user);
  throw new KubeconfigError(
    `The auth-provider "${authProvider.name}" of user "${user.name}" is not supported: expected oidc, or an exec plugin`,
  );
}

/** A header's value has no line breaks: a token with one would add headers. */
function bearer(token: string, { name }: UserEntry): string {
  const value = token.trim();
  if (/^[\x21-\x7e]+$/.test(value)) return `Bearer ${value}`;
  throw new KubeconfigError(`The token of user "${name}" is not valid: expected one word of ASCII`, {
    hint: "log in to the cluster again",
  });
}

function certificateOf(user: UserEntry): Pick<Credentials, "cert" | "key"> {
  const { certFile, certData, keyFile, keyData } = user;
  if (certFile === "" && certData === "") return {};
  return checkedPair(user, pemOf(user, certFile, certData), pemOf(user, keyFile, keyData));
}

function pemOf({ name }: UserEntry, file: string, data: string): string {
  try {
    return data !== "" ? atob(data) : Deno.readTextFileSync(file);
  } catch (cause) {
    const where = file || "client-certificate-data, client-key-data";
    throw new KubeconfigError(
      `Can't read the certificate of user "${name}" (${where}): ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

function checkedPair({ name }: UserEntry, cert: string, key: string): { cert: string; key: string } {
  for (
    const [pem, label, what] of [[cert, "CERTIFICATE", "certificate"], [key, "PRIVATE KEY", "key"]] as const
  ) {
    if (isPem(pem, label)) continue;
    throw new KubeconfigError(`The client ${what} of user "${name}" is not valid PEM.`, {
      hint: "log in to the cluster again, or correct the user in the kubeconfig",
    });
  }
  return { cert, key };
}
