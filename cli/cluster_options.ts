import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { flag, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { AgentInstallOptions } from "../wire/installer.ts";
import type { Settings } from "./settings/settings.ts";
import { cidr, contextName, filePath, namespace } from "./values.ts";

/** `--context`, for commands that read the kubeconfig. */
export const context = optional(
  option("--context", contextName(), {
    description: message`Use this context, not the current one.`,
  }),
);
/** `--context`, for commands that work on connected clusters. */
export const connectedContext = optional(
  option("--context", contextName(), {
    description: message`Choose one of several connected clusters.`,
  }),
);
/** `--context`, any number of times. */
export const contexts = multiple(
  option("--context", contextName(), {
    description: message`Use this context; repeat it for several clusters.`,
  }),
);
export const kubeconfig = optional(
  option("--kubeconfig", filePath(), {
    description: message`Read this file, not KUBECONFIG or ~/.kube/config.`,
  }),
);
/** `-n`: the namespace of names that have none. */
export const inNamespace = optional(
  option("-n", "--namespace", namespace(), {
    description: message`Use this namespace, not the context's own.`,
  }),
);
export const yes = withDefault(
  flag("-y", "--yes", { description: message`Install in the cluster without asking.` }),
  false,
);

/** Options for an installation of the agents. */
export const imageOptions = {
  baseImage: optional(
    option("--base-image", string({ metavar: "IMAGE" }), {
      description: message`Use this mirror of the agents' stock image.`,
    }),
  ),
  agentImage: optional(
    option("--agent-image", string({ metavar: "IMAGE" }), {
      description: message`Use this prebuilt image with the agents inside.`,
    }),
  ),
};
export const ranges = multiple(
  option("--allow-range", cidr(), {
    description: message`Let the gateway dial this range, too; repeatable.`,
  }),
);

/** The options of an installation: those that were given, else those of the settings; undefined when there are none. */
export function installOptionsOf(
  given: {
    readonly baseImage?: string | undefined;
    readonly agentImage?: string | undefined;
    readonly force?: boolean;
    readonly ranges?: readonly string[];
  },
  settings: Pick<Settings, "baseImage" | "agentImage" | "allowRanges">,
): AgentInstallOptions | undefined {
  const { baseImage = settings.baseImage, agentImage = settings.agentImage } = given;
  const ranges = given.ranges?.length ? given.ranges : settings.allowRanges;
  const options: AgentInstallOptions = {
    ...(baseImage === undefined ? {} : { baseImage }),
    ...(agentImage === undefined ? {} : { agentImage }),
    ...(given.force ? { force: true } : {}),
    ...(ranges.length > 0 ? { ranges } : {}),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}
