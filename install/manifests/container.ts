import { environment } from "../../wire/agent_environment.ts";
import { command, type Permissions } from "../payload/loader.ts";
import { chunksOf } from "../../wire/payload.ts";
import type { ManifestOptions } from "./options.ts";
import type { PayloadPlace } from "./payload.ts";

/** What differs between the agents' containers. */
export interface ContainerParts {
  /** The role of the payload in this container, and the container's name. */
  readonly role: string;
  readonly permissions: Permissions;
  /** Linux capabilities without "CAP_"; without any, the image's unprivileged user runs it. */
  readonly capabilities: readonly string[];
  readonly env: readonly object[];
  readonly mounts: readonly object[];
  readonly resources: { readonly cpu: string; readonly memory: string; readonly memoryLimit: string };
}

/** A writable folder of each container. It isn't shared, so relay can't plant files that attach reads. */
const SCRATCH = "/scratch";
/** The heartbeat: an agent writes the seconds since the epoch into it, every 5 s (agent/process.ts). */
export const HEARTBEAT_FILE = `${SCRATCH}/beat`;
/** The age in seconds from which on the probes take a heartbeat for missed. */
const STALE_SECONDS = 20;

/** A container that runs a role of the payload on the stock image. */
export function container(parts: ContainerParts, options: ManifestOptions, place: PayloadPlace): object {
  const payload = { digest: options.payload.digest, chunks: chunksOf(options.payload).length };
  const { cpu, memory, memoryLimit } = parts.resources;
  return {
    name: parts.role,
    image: options.image,
    imagePullPolicy: "IfNotPresent",
    command: command(parts.role, payload, parts.permissions, place.folder),
    env: [
      { name: "DENO_DIR", value: `${SCRATCH}/deno` },
      // TLS to the API server trusts the service account's CA alone: Deno would trust Mozilla's list in addition.
      { name: "DENO_TLS_CA_STORE", value: "" },
      { name: environment.heartbeat, value: HEARTBEAT_FILE },
      ...parts.env,
    ],
    securityContext: securityContext(parts.capabilities),
    resources: { requests: { cpu, memory }, limits: { memory: memoryLimit } },
    volumeMounts: [...place.mounts, { name: `scratch-${parts.role}`, mountPath: SCRATCH }, ...parts.mounts],
    ...probes(),
    // The last line of a failed container is the reason, which pmz and kubectl describe show.
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

/** The volume of a container's writable folder: its heartbeat, and Deno's cache of the loader. */
export function scratchVolume({ role }: ContainerParts): object {
  return { name: `scratch-${role}`, emptyDir: { medium: "Memory", sizeLimit: "32Mi" } };
}

function securityContext(capabilities: readonly string[]): object {
  return {
    ...capabilities.length > 0 ? { runAsUser: 0, runAsNonRoot: false } : { runAsNonRoot: true },
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"], ...capabilities.length > 0 ? { add: [...capabilities] } : {} },
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/**
 * Probes that read the heartbeat file: the agents listen on loopback only, which the kubelet can't reach. Each probe costs a
 * process on the node, so they are rare once a container has started; nothing in the cluster waits for readiness.
 */
function probes(): object {
  const script = `read -r beat <${HEARTBEAT_FILE} && [ $(($(date +%s) - beat)) -lt ${STALE_SECONDS} ]`;
  const exec = { command: ["/bin/sh", "-c", script] };
  return {
    startupProbe: { exec, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 120 },
    livenessProbe: { exec, periodSeconds: 30, timeoutSeconds: 10, failureThreshold: 2 },
  };
}
