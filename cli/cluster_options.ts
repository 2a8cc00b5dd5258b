import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { AgentInstallOptions } from "../wire/installer.ts";
import { cidr, namespace } from "./values.ts";

/** `--context`: which cluster. */
export const context = optional(
  option("--context", string({ metavar: "CONTEXT" }), {
    description: message`A context of the kubeconfig; by default the current one.`,
  }),
);
/** `--context` of those that work on what is connected. */
export const connectedContext = optional(
  option("--context", string({ metavar: "CONTEXT" }), {
    description: message`Which cluster, where several are connected.`,
  }),
);
/** `--context`, any number of times. */
export const contexts = multiple(
  option("--context", string({ metavar: "CONTEXT" }), {
    description:
      message`A context of the kubeconfig, several for several clusters; by default the current one.`,
  }),
);
export const kubeconfig = optional(
  option("--kubeconfig", string({ metavar: "FILE" }), {
    description: message`Instead of KUBECONFIG and ~/.kube/config.`,
  }),
);
/** `-n`: where single names are looked for. */
export const inNamespace = optional(
  option("-n", "--namespace", namespace(), {
    description: message`Namespace; by default the context's own.`,
  }),
);
export const yes = withDefault(
  flag("-y", "--yes", { description: message`Don't ask: yes to installing in the cluster.` }),
  false,
);

/** How the agents are installed, if they have to be. */
export const imageOptions = {
  baseImage: optional(
    option("--base-image", string({ metavar: "IMAGE" }), {
      description: message`A mirror of the stock image that the agents run in.`,
    }),
  ),
  agentImage: optional(
    option("--agent-image", string({ metavar: "IMAGE" }), {
      description: message`A prebuilt image that has the agents inside.`,
    }),
  ),
};
export const ranges = multiple(
  option("--allow-range", cidr(), {
    description: message`Addresses that the gateway may dial besides Services and pods; may be repeated.`,
  }),
);

/** The options of an installation, without what wasn't given; undefined when nothing was. */
export function installOptionsOf(given: {
  readonly baseImage?: string;
  readonly agentImage?: string;
  readonly force?: boolean;
  readonly ranges?: readonly string[];
}): AgentInstallOptions | undefined {
  const options: AgentInstallOptions = {
    ...(given.baseImage === undefined ? {} : { baseImage: given.baseImage }),
    ...(given.agentImage === undefined ? {} : { agentImage: given.agentImage }),
    ...(given.force ? { force: true } : {}),
    ...(given.ranges?.length ? { ranges: given.ranges } : {}),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}
