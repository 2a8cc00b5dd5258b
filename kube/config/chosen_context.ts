import { accessSync, constants } from "node:fs";
import type { ClusterEntry, ContextEntry, Kubeconfig, UserEntry } from "./entries.ts";
import { KubeconfigError, messageOf, NoSuchContext } from "./kubeconfig_error.ts";
import { problemOfPlugin } from "./exec_plugin.ts";

/** A context with its cluster and its user. */
export interface ChosenContext {
  readonly context: ContextEntry;
  readonly cluster: ClusterEntry;
  readonly user: UserEntry;
}

/**
 * Finds a context and what it names, by the rules of kubectl (client-go's ConfirmUsable): only this context has to be whole.
 *
 * @param name the current context without it
 * @throws {NoSuchContext} @throws {KubeconfigError} that says what is missing or contradicts itself
 */
export function chooseContext(config: Kubeconfig, name: string = config.currentContext): ChosenContext {
  const context = config.contexts.get(name);
  if (name === "" || !context) throw noContext(config, name);
  const cluster = clusterOf(config, context);
  // Without one, or with one that isn't there, nothing says who asks: that is for the server to judge.
  const user = config.users.get(context.user) ?? { ...nobody, name: context.user };
  const problem = problemOfCluster(cluster) ?? problemOfUser(user) ?? problemOfNamespace(context);
  if (problem === undefined) return { context, cluster, user };
  throw new KubeconfigError(`${problem} (context "${context.name}").`, {
    hint: "correct the kubeconfig, until `kubectl get --raw /version` works",
  });
}

function noContext({ contexts }: Kubeconfig, name: string): NoSuchContext {
  if (contexts.size === 0) {
    return new NoSuchContext(
      "The kubeconfig has no contexts. Choose another file with --kubeconfig or KUBECONFIG.",
    );
  }
  const known = `It has: ${[...contexts.keys()].join(", ")}.`;
  return new NoSuchContext(
    name === ""
      ? `The kubeconfig has no current context. Choose one with --context or \`kubectl config use-context\`. ${known}`
      : `The kubeconfig has no context "${name}". ${known}`,
  );
}

function clusterOf({ clusters }: Kubeconfig, context: ContextEntry): ClusterEntry {
  const cluster = clusters.get(context.cluster);
  if (context.cluster !== "" && cluster) return cluster;
  throw new KubeconfigError(
    context.cluster === ""
      ? `The context "${context.name}" has no cluster. Correct it in the kubeconfig.`
      : `The context "${context.name}" names the cluster "${context.cluster}", which the kubeconfig doesn't have.`,
  );
}

const nobody: UserEntry = {
  name: "",
  file: "",
  certFile: "",
  certData: "",
  keyFile: "",
  keyData: "",
  token: "",
  tokenFile: "",
  username: "",
  password: "",
  as: { user: "", uid: "", groups: [], extra: new Map() },
};

function problemOfCluster({ name, server, caFile, caData, insecure }: ClusterEntry): string | undefined {
  if (server === "") return `The cluster "${name}" has no server`;
  if (caFile !== "" && caData !== "") {
    return `The cluster "${name}" has both certificate-authority and certificate-authority-data: expected one`;
  }
  if (insecure && (caFile !== "" || caData !== "")) {
    return `The cluster "${name}" has both a CA and insecure-skip-tls-verify: expected one`;
  }
  return unreadable(caFile, `certificate-authority of cluster "${name}"`);
}

function problemOfUser(user: UserEntry): string | undefined {
  const { name, token, username, password, as, exec, authProvider } = user;
  const certificate = user.certFile !== "" || user.certData !== "";
  if (certificate && user.certFile !== "" && user.certData !== "") {
    return `The user "${name}" has both client-certificate and client-certificate-data: expected one`;
  }
  if (certificate && user.keyFile !== "" && user.keyData !== "") {
    return `The user "${name}" has both client-key and client-key-data: expected one`;
  }
  if (certificate && user.keyFile === "" && user.keyData === "") {
    return `The user "${name}" has a client certificate and no client-key`;
  }
  if (token !== "" && (username !== "" || password !== "")) {
    return `The user "${name}" has both a token and a password: expected one`;
  }
  if (exec && authProvider) {
    return `The user "${name}" has both an exec plugin and an auth-provider: expected one`;
  }
  if (as.user === "" && (as.uid !== "" || as.groups.length > 0 || as.extra.size > 0)) {
    return `The user "${name}" has as-uid, as-groups or as-user-extra without as`;
  }
  return (exec ? problemOfPlugin(exec, name) : undefined) ??
    (certificate ? unreadable(user.certFile, `client-certificate of user "${name}"`) : undefined) ??
    (certificate ? unreadable(user.keyFile, `client-key of user "${name}"`) : undefined);
}

function problemOfNamespace({ namespace }: ContextEntry): string | undefined {
  if (namespace === "" || /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) return undefined;
  return `"${namespace}" is not a valid namespace: expected lower-case letters, digits and hyphens`;
}

function unreadable(file: string, what: string): string | undefined {
  if (file === "") return undefined;
  try {
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (error) {
    return `Can't read the ${what} (${file}): ${messageOf(error)}`;
  }
}
