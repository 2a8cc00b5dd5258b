/** What an administrator does about pods of the agents that a cluster refuses, by what it says. */

interface Remedy {
  readonly said: RegExp;
  /** @param found what the expression found @param namespace of the agent */
  readonly todo: (found: readonly string[], namespace: string) => string;
}

const remedies: readonly Remedy[] = [
  {
    said: /violates PodSecurity "([a-z]+):/,
    todo: (_, namespace) => {
      const level = namespace === "pmz-node" ? "privileged" : "restricted";
      return `let namespace ${namespace} have the level that its pods need: ` +
        `kubectl label namespace ${namespace} pod-security.kubernetes.io/enforce=${level} --overwrite`;
    },
  },
  {
    said: /failed quota: ([\w.-]+): must specify ([\w.,\s-]+)/,
    todo: ([quota = "", what = ""], namespace) =>
      `quota ${quota} asks for ${what.trim()}, which pmz doesn't set: a LimitRange of namespace ${namespace} ` +
      "gives containers a default, or delete the quota",
  },
  {
    said: /exceeded quota: ([\w.-]+)/,
    todo: ([quota = ""], namespace) => `raise it: kubectl -n ${namespace} edit resourcequota ${quota}`,
  },
  {
    said: /(?:minimum|maximum) [\w.-]+ usage per (?:Container|Pod)|limit to request ratio/,
    todo: (_, namespace) =>
      `a LimitRange forbids it; let the agent have it: kubectl -n ${namespace} edit limitranges`,
  },
  {
    said: /ValidatingAdmissionPolicy '([^']+)'/,
    todo: ([policy = ""], namespace) =>
      `leave namespace ${namespace} out of the policy, by matchConditions or namespaceSelector of its binding: ` +
      `kubectl get validatingadmissionpolicybindings -o wide | grep ${policy}`,
  },
  {
    said: /admission webhook "([^"]+)" denied/,
    todo: ([webhook = ""], namespace) =>
      `leave namespace ${namespace} out of the policies of ${webhook}; where it minds the image, use a mirror: ` +
      "pmz agent deploy --base-image IMAGE",
  },
  {
    said: /the image \S+ can't be pulled \(/,
    todo: () => "use an image that the nodes reach: pmz agent deploy --base-image IMAGE",
  },
];

/** What to do about a refusal; undefined where the message is about none that is known. */
export function remedyOf(message: string): string | undefined {
  const namespace = /(?:Deployment|DaemonSet) ([\w-]+)\//.exec(message)?.[1] ?? "pmz";
  for (const { said, todo } of remedies) {
    const found = said.exec(message);
    if (found) return todo(found.slice(1), namespace);
  }
}
