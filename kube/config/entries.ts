/** What a kubeconfig has, as its file says it: nothing is read or checked yet. Paths are absolute. */
export interface Kubeconfig {
  readonly clusters: ReadonlyMap<string, ClusterEntry>;
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly contexts: ReadonlyMap<string, ContextEntry>;
  /** Empty where there is none. */
  readonly currentContext: string;
}

/** A context: a cluster, a user and a namespace, by name. What is absent is empty. */
export interface ContextEntry {
  readonly name: string;
  readonly cluster: string;
  readonly user: string;
  readonly namespace: string;
}

/** A cluster. What is absent is empty. */
export interface ClusterEntry {
  readonly name: string;
  readonly server: string;
  readonly caFile: string;
  /** Base64 of PEM, as all `...Data`. */
  readonly caData: string;
  readonly insecure: boolean;
  readonly serverName: string;
  readonly proxyUrl: string;
  readonly disableCompression: boolean;
  /** What exec plugins are handed: the extension `client.authentication.k8s.io/exec`. */
  readonly pluginConfig?: unknown;
}

/** A user. What is absent is empty. */
export interface UserEntry {
  readonly name: string;
  /** The kubeconfig that it stands in: renewed tokens are written there. */
  readonly file: string;
  readonly certFile: string;
  readonly certData: string;
  readonly keyFile: string;
  readonly keyData: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly username: string;
  readonly password: string;
  readonly as: Impersonation;
  readonly authProvider?: AuthProvider;
  readonly exec?: ExecEntry;
}

/** Whom a user acts as. What is absent is empty. */
export interface Impersonation {
  readonly user: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: ReadonlyMap<string, readonly string[]>;
}

export interface AuthProvider {
  readonly name: string;
  readonly config: ReadonlyMap<string, string>;
}

/** An exec plugin. What is absent is empty. */
export interface ExecEntry {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly interactiveMode: string;
  readonly installHint: string;
  readonly provideClusterInfo: boolean;
}
