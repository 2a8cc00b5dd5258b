import { type ApiServerAccess, certificatesHash, type ClusterAccess } from "../client/access.ts";
import { chooseContext, type ChosenContext } from "./chosen_context.ts";
import { type CommandEnvironment, ownEnvironment } from "./command_environment.ts";
import { credentialsOf, needsPlugin } from "./credentials.ts";
import { type PluginCredential, runPlugin } from "./exec_plugin.ts";
import { KubeconfigError, NoSuchContext } from "./kubeconfig_error.ts";
import { type KubeconfigOptions, loadKubeconfig } from "./kubeconfig_files.ts";
import { caOf, type Server, serverOf, withScheme } from "./server.ts";

export { KubeconfigError, type KubeconfigOptions, NoSuchContext };

/** One context of the kubeconfig. */
export interface Context {
  readonly name: string;
  readonly cluster: string;
  readonly user: string;
  readonly namespace: string;
  readonly server: string;
  readonly current: boolean;
}

/** Lists the contexts of the kubeconfig, in its order. @throws {KubeconfigError} when it can't be read */
export function contexts(options: KubeconfigOptions = {}): Context[] {
  const config = loadKubeconfig(options);
  return Array.from(config.contexts.values(), ({ name, cluster, user, namespace }) => ({
    name,
    cluster,
    user,
    namespace: namespace || "default",
    server: config.clusters.get(cluster)?.server ?? "",
    current: name === config.currentContext,
  }));
}

/** Which context, and how its user's plugin runs. */
export interface ClusterOptions extends KubeconfigOptions {
  /** The current one without it. */
  readonly context?: string;
  /** What the plugin has answered already, in the command's own terminal. */
  readonly credential?: PluginCredential;
  /** Whether a plugin may ask on this process's terminal. */
  readonly hasTerminal?: boolean;
  /**
   * Milliseconds for which an access is reused without a look at its files and its expiry, unless it is refused. A plugin runs again no
   * sooner either, refused or not: it may open a browser each time.
   */
  readonly reuseMs?: number;
}

/** Whether the credentials of a context's user come from an exec plugin. @throws {KubeconfigError} */
export function wantsPlugin(options: ClusterOptions): boolean {
  return needsPlugin(chooseContext(loadKubeconfig(options), options.context));
}

/**
 * Runs the exec plugin of a context's user, in this process's environment and on its terminal.
 *
 * @returns undefined where kubectl would run none
 * @throws {KubeconfigError}
 */
export async function pluginCredential(options: ClusterOptions): Promise<PluginCredential | undefined> {
  const environment = options.environment ?? ownEnvironment();
  const chosen = chooseContext(loadKubeconfig({ ...options, environment }), options.context);
  const { exec } = chosen.user;
  if (!exec || !needsPlugin(chosen)) return undefined;
  const server = { cluster: chosen.cluster, ca: caOf(chosen.cluster) };
  return await runPlugin(exec, server, { environment, hasTerminal: true });
}

/** A cluster of the kubeconfig. */
export interface KubeconfigCluster extends ClusterAccess {
  /**
   * Reads again where the cluster is and whose credentials are used, for a further command: in its environment, with what a plugin has
   * answered there. What is read counts from now on.
   *
   * @throws {KubeconfigError} and nothing has changed then
   */
  reread(by?: Pick<ClusterOptions, "environment" | "credential">): Promise<void>;
}

/**
 * Opens a cluster of the kubeconfig with its user's credentials, read as kubectl reads them.
 *
 * @throws {KubeconfigError} when the kubeconfig can't be read, {NoSuchContext} when it has no such context
 */
export async function clusterAccess(options: ClusterOptions = {}): Promise<KubeconfigCluster> {
  const access = new KubeconfigAccess(options);
  await access.reread(options);
  return access;
}

/** What was read of a kubeconfig. */
interface Opened {
  readonly chosen: ChosenContext;
  readonly server: Server;
  readonly caHash: string;
}

class KubeconfigAccess implements KubeconfigCluster {
  readonly #reuseMs: number;
  #options: ClusterOptions & { readonly environment: CommandEnvironment };
  #opened: Opened | undefined;
  #plugin: PluginCredential | undefined;
  #current: { access: Promise<ApiServerAccess>; at: number } | undefined;
  #renewing: Promise<ApiServerAccess> | undefined;
  #renewedAt = -Infinity;

  constructor(options: ClusterOptions) {
    this.#options = { ...options, environment: options.environment ?? ownEnvironment() };
    this.#reuseMs = options.reuseMs ?? 10_000;
  }

  get #known(): Opened {
    if (this.#opened) return this.#opened;
    throw new KubeconfigError("The kubeconfig was not read yet");
  }

  get context(): string {
    return this.#known.chosen.context.name;
  }

  get server(): string {
    return withScheme(this.#known.chosen.cluster.server);
  }

  get namespace(): string {
    return this.#known.chosen.context.namespace || "default";
  }

  get user(): string {
    return this.#known.chosen.user.name;
  }

  get proxyUrl(): string | undefined {
    return this.#known.server.proxyUrl;
  }

  get caHash(): string {
    return this.#known.caHash;
  }

  async reread(
    { environment, credential }: Pick<ClusterOptions, "environment" | "credential"> = {},
  ): Promise<void> {
    const options = { ...this.#options, environment: environment ?? this.#options.environment };
    const context = this.#opened?.chosen.context.name ?? options.context;
    const chosen = chooseContext(loadKubeconfig(options), context);
    const server = serverOf(chosen.cluster, options.environment);
    const caHash = server.tls ? await certificatesHash(caOf(chosen.cluster)) : "";
    const isSame = this.#opened &&
      JSON.stringify(this.#opened.chosen.user.exec) === JSON.stringify(chosen.user.exec);
    if (credential) this.#plugin = credential;
    else if (!isSame) this.#plugin = undefined;
    this.#options = options;
    this.#opened = { chosen, server, caHash };
    this.#current = undefined;
  }

  async access(
    { renew = false, reread = false }: { renew?: boolean; reread?: boolean } = {},
  ): Promise<ApiServerAccess> {
    if (renew) return await this.#renew();
    if (reread) await this.reread();
    if (this.#current && performance.now() - this.#current.at < this.#reuseMs) {
      return await this.#current.access;
    }
    return await this.#take();
  }

  /** Many requests may be refused at the same moment: they share one renewal. */
  async #renew(): Promise<ApiServerAccess> {
    this.#renewing ??= this.#renewed().finally(() => this.#renewing = undefined);
    return await this.#renewing;
  }

  /** Reads the files again, since the user may have logged in again; a plugin runs again too. */
  async #renewed(): Promise<ApiServerAccess> {
    await this.reread();
    if (performance.now() - this.#renewedAt > this.#reuseMs) {
      this.#renewedAt = performance.now();
      this.#plugin = undefined;
    }
    return await this.#take();
  }

  /** All requests wait for this one: a plugin may take minutes until a person has logged in. */
  async #take(): Promise<ApiServerAccess> {
    const mine = this.#current = { access: this.#read(), at: Infinity };
    try {
      const access = await mine.access;
      mine.at = performance.now();
      return access;
    } catch (error) {
      if (this.#current === mine) this.#current = undefined;
      throw error;
    }
  }

  async #read(): Promise<ApiServerAccess> {
    const { chosen, server } = this.#known;
    const { environment, hasTerminal = false } = this.#options;
    const { credentials, plugin } = await credentialsOf(chosen, { environment, hasTerminal }, this.#plugin);
    if (plugin) this.#plugin = plugin;
    return { ...server, ...credentials };
  }
}
