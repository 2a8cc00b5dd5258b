import { pollUntil } from "../../async/poll_until.ts";
import { type CommandEnvironment, variablesOf } from "./command_environment.ts";
import { type AuthProvider, type UserEntry } from "./entries.ts";
import { environmentProxy } from "./environment_proxy.ts";
import { KubeconfigError, messageOf } from "./kubeconfig_error.ts";
import { lockKubeconfig } from "./kubeconfig_lock.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";
import { systemRoots } from "./system_roots.ts";
import { writeProviderConfig } from "./write_back.ts";

/** A token is renewed so long before it expires, in milliseconds (client-go's oidc.go). */
const EARLY_MS = 10_000;
/** Milliseconds for an answer of the issuer. */
const ISSUER_MS = 30_000;
/** Milliseconds that another program has to write what it has renewed. */
const OTHERS_MS = 1_000;
/** Characters of an answer of the issuer. */
const LONGEST_ANSWER = 1 << 20;

/** Renewals in this process, by user: those who ask meanwhile share one. */
const renewals = new Map<string, Promise<string>>();

/**
 * The id token of an OIDC user. One that has expired is renewed with the refresh token, and both are written into the kubeconfig, as kubectl
 * does: nothing else in the file changes, and it is locked for the writing alone, since kubectl fails where it finds a lock. What another
 * program has renewed meanwhile counts.
 *
 * @throws {KubeconfigError} without any token in it
 */
export async function idToken(
  user: UserEntry,
  provider: AuthProvider,
  environment: CommandEnvironment,
): Promise<string> {
  const token = provider.config.get("id-token") ?? "";
  if (isValid(token, user)) return token;
  const key = `${user.file}\0${user.name}`;
  const running = renewals.get(key) ?? renewed(user, environment).finally(() => renewals.delete(key));
  renewals.set(key, running);
  return await running;
}

async function renewed(user: UserEntry, environment: CommandEnvironment): Promise<string> {
  const config = savedConfig(user);
  const current = config?.get("id-token") ?? "";
  if (isValid(current, user)) return current; // another program has renewed it
  const issuer = config?.get("idp-issuer-url"),
    client = config?.get("client-id"),
    refresh = config?.get("refresh-token");
  if (!config || !issuer || !client || !refresh) {
    const lacking = !issuer ? "idp-issuer-url" : !client ? "client-id" : "refresh-token";
    throw failed(user, `the id-token has expired, and there is no ${lacking}`);
  }
  let tokens;
  try {
    using issuerClient = openIssuer(issuer, config, environment);
    const endpoint = await tokenEndpoint(issuer, issuerClient);
    tokens = await refreshed(
      endpoint,
      { client, secret: config.get("client-secret") ?? "", refresh },
      issuerClient,
    );
  } catch (cause) {
    // Refresh tokens may be good for one use, and another program may have used this one.
    const theirs = cause instanceof RefusedGrant ? await renewedByOthers(user) : undefined;
    if (theirs !== undefined) return theirs;
    throw failed(user, `${issuer} doesn't renew the id-token: ${messageOf(cause)}`, cause);
  }
  await using _lock = await lockKubeconfig(user.file);
  const theirs = savedConfig(user)?.get("id-token") ?? "";
  if (theirs !== current && isValid(theirs, user)) return theirs;
  writeProviderConfig(user.file, user.name, {
    "id-token": tokens.idToken,
    ...(tokens.refreshToken && tokens.refreshToken !== refresh
      ? { "refresh-token": tokens.refreshToken }
      : {}),
  });
  return tokens.idToken;
}

/** The auth-provider's config in the file as it is now. */
function savedConfig({ file, name }: UserEntry): ReadonlyMap<string, string> | undefined {
  return parseKubeconfig(Deno.readTextFileSync(file), file).users.get(name)?.authProvider?.config;
}

/** The token that another program has just renewed and is about to write. */
async function renewedByOthers(user: UserEntry): Promise<string | undefined> {
  let token: string | undefined;
  await pollUntil(() => {
    try {
      const saved = savedConfig(user)?.get("id-token") ?? "";
      if (isValid(saved, user)) token = saved;
    } catch { /* half of it is written */ }
    return token !== undefined;
  }, { timeoutMs: OTHERS_MS });
  return token;
}

/** The issuer doesn't take a refresh token. */
class RefusedGrant extends Error {
  override name = "RefusedGrant";
}

function failed({ name }: UserEntry, why: string, cause?: unknown): KubeconfigError {
  return new KubeconfigError(`Can't get credentials of the OIDC user "${name}": ${why}`, {
    cause,
    hint: "log in to the cluster again",
  });
}

/** @throws {KubeconfigError} for what isn't a JSON web token */
function isValid(token: string, user: UserEntry): boolean {
  if (token === "") return false;
  try {
    const [, payload = "", signature] = token.split(".");
    if (signature === undefined) throw new Error("it has no three parts");
    const { exp } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" && exp * 1000 > Date.now() + EARLY_MS;
  } catch {
    throw failed(user, "its id-token is not a valid JSON web token");
  }
}

/** The issuer's HTTP client: with its own CA or the system's, and with the command's proxy. */
function openIssuer(
  issuer: string,
  config: ReadonlyMap<string, string>,
  environment: CommandEnvironment,
): Deno.HttpClient {
  const read = variablesOf(environment);
  const { protocol, hostname, port } = new URL(issuer);
  const tls = protocol === "https:";
  const proxy = environmentProxy({ tls, hostname, port: Number(port) || (tls ? 443 : 80) }, read);
  const data = config.get("idp-certificate-authority-data"), file = config.get("idp-certificate-authority");
  const caCerts = data ? [atob(data)] : file ? [Deno.readTextFileSync(file)] : tls ? systemRoots(read) : [];
  return Deno.createHttpClient({ caCerts, http2: false, ...(proxy ? { proxy: { url: proxy.url } } : {}) });
}

async function tokenEndpoint(issuer: string, client: Deno.HttpClient): Promise<string> {
  const response = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    client,
    signal: AbortSignal.timeout(ISSUER_MS),
  });
  const answer = await jsonOf(response);
  if (!response.ok) throw new Error(`it answers ${response.status} to OpenID Connect discovery`);
  if (typeof answer.token_endpoint === "string") return answer.token_endpoint;
  throw new Error("its OpenID Connect discovery has no token_endpoint");
}

interface Grant {
  readonly client: string;
  readonly secret: string;
  readonly refresh: string;
}

/** A refresh token grant (RFC 6749 §6): the client is named in a header first, then in the body, as kubectl tries them. */
async function refreshed(
  endpoint: string,
  { client: id, secret, refresh }: Grant,
  client: Deno.HttpClient,
): Promise<{ idToken: string; refreshToken: string }> {
  const fields = { grant_type: "refresh_token", refresh_token: refresh };
  const basic = btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`);
  const ask = async (body: Record<string, string>, headers: Record<string, string>) => {
    const signal = AbortSignal.timeout(ISSUER_MS);
    const response = await fetch(endpoint, {
      method: "POST",
      body: new URLSearchParams(body),
      headers,
      client,
      signal,
    });
    return { response, answer: await jsonOf(response) };
  };
  let { response, answer } = await ask(fields, { authorization: `Basic ${basic}` });
  if (!response.ok && answer.error !== "invalid_grant") {
    ({ response, answer } = await ask({
      ...fields,
      client_id: id,
      ...(secret ? { client_secret: secret } : {}),
    }, {}));
  }
  if (!response.ok) {
    const error = typeof answer.error === "string" ? answer.error.replace(/[^a-z_]/g, "").slice(0, 100) : "";
    const why = `its token endpoint answers ${response.status}${error && ` (${error})`}`;
    throw error === "invalid_grant" ? new RefusedGrant(why) : new Error(why);
  }
  if (typeof answer.id_token !== "string") throw new Error("its answer has no id_token");
  return {
    idToken: answer.id_token,
    refreshToken: typeof answer.refresh_token === "string" ? answer.refresh_token : "",
  };
}

async function jsonOf(response: Response): Promise<Readonly<Record<string, unknown>>> {
  let text = "";
  for await (const part of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.length > LONGEST_ANSWER) throw new Error("its answer is too long");
  }
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? parsed as Record<string, unknown> : {};
  } catch {
    return {};
  }
}
