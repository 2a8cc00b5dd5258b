import { unlessAborted } from "../../../async/abort.ts";
import { TimeLimit } from "../../../async/time_limit.ts";
import { failed, ok, warning } from "../../../checks/check.ts";
import type { Destination, Probe } from "../../../dataplane/plane.ts";
import type { Api } from "../../../kube/client/api.ts";
import { ApiError } from "../../../kube/client/api_error.ts";
import { KubeconfigError } from "../../../kube/config/kubeconfig_error.ts";
import type { Service } from "../../../kube/objects/objects.ts";
import { formatEndpoint } from "../../../net/address.ts";
import type { InterceptEntry } from "../../../wire/control.ts";
import type { Finding } from "../../../wire/finding.ts";
import { formatOutcome } from "../../../wire/flow.ts";
import type { InterceptRule } from "../../../wire/intercept.ts";
import type { Cluster } from "../../clusters/cluster.ts";
import type { ClusterRegistry } from "../../clusters/registry.ts";

/** A Service's pods have this long to accept, in milliseconds. */
const DIAL_MS = 4_000;
/** An API server that is reached answers within this, in milliseconds. */
const SERVER_MS = 2_000;

/** A port of a Service, as intercepts name it. */
interface InterceptedPort {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

/**
 * Who takes the connections of a Service port before its pods; undefined where no such rule is known.
 * @param lostNodes those whose agents aren't connected
 * @param sharesPods whether another Service's port leads to the same port of the same pods: who takes that takes this one too
 */
export function interceptHop(
  service: Service,
  port: number,
  own: readonly InterceptEntry[],
  rules: readonly InterceptRule[],
  sharesPods: (other: InterceptedPort) => boolean = () => false,
  lostNodes: readonly string[] = [],
): Finding | undefined {
  const { namespace, name } = service;
  const ports = servicePorts(service, port);
  const isMeant = (one: InterceptedPort) =>
    one.namespace === namespace && one.service === name && ports.includes(one.port);
  const isAlso = (one: InterceptEntry) =>
    one.namespace === namespace && ports.some((port) => one.alsoTaken.includes(`${name}:${port}`));
  const takes = own.filter((one) => (isMeant(one) || isAlso(one)) && !one.mirror);
  const mine = takes.find((one) => one.mine) ?? takes[0];
  if (mine) {
    const what = mine.mine
      ? "this machine's own connections go"
      : mine.match
      ? "requests that match go"
      : "connections go";
    if (mine.silentSince !== undefined) {
      return failed(
        `your intercept ${mine.id} takes it: ${what} to ${mine.local}, where nothing listens since ${mine.silentSince}`,
        `start your program, or end the intercept: pmz leave ${mine.id}`,
      );
    }
    if (!mine.mine && lostNodes.length > 0) {
      return warning(
        `your intercept ${mine.id} takes it, but not on ${
          lostNodes.join(", ")
        }, whose node agent isn't connected: its pods answer`,
        "look at the node agents: pmz agent status; pmz dials them again and again",
      );
    }
    return ok(`your intercept ${mine.id} takes it: ${what} to ${mine.local}`);
  }
  const others = rules.filter((rule) =>
    (isMeant(rule) || sharesPods(rule)) && !rule.deleting && !rule.mirror
  );
  const whole = others.find(({ match }) => match === undefined);
  if (whole) {
    const what = isMeant(whole)
      ? "it"
      : `${whole.service}:${whole.port}, which has the same port of the same pods`;
    return warning(
      `${whole.user} intercepts ${what}: a program on another machine answers, not the pods`,
      `ask ${whole.user} to leave it; several people share a port by personal intercepts: docs/personal.md`,
    );
  }
  const users = [...new Set(others.map(({ user }) => user))].join(", ");
  return users === "" ? undefined : ok(`personal intercepts take the requests that match: ${users}`);
}

/** The Service's ports that a dialled port stands for: a headless Service's pods are dialled at their own. */
function servicePorts({ headless, ports }: Service, port: number): number[] {
  if (!headless) return [port];
  return ports.flatMap((one) =>
    one.protocol === "TCP" && (one.targetPort ?? one.port) === port ? [one.port] : []
  );
}

/** Whether the tunnel to the gateway is up; where it isn't, whether the API server, through which it goes, is why. */
export async function tunnelHop({ connection }: Cluster, roundTripMs: number | null): Promise<Finding> {
  const { tunnel } = connection;
  if (tunnel.state === "connected") {
    const trip = roundTripMs === null ? "" : `, round trip ${Math.round(roundTripMs * 10) / 10} ms`;
    return ok(`connected to ${tunnel.pod}${trip}`);
  }
  return await withoutServer(connection) ?? withoutGateway(connection) ??
    failed(
      `the tunnel to the gateway isn't up: ${tunnel.why}`,
      FORBIDDEN.test(tunnel.why) ? "see which right is missing: pmz doctor rights" : GATEWAY_REMEDY,
    );
}

/** As an ApiError says it. */
const FORBIDDEN = /\(403 /;
const GATEWAY_REMEDY = "look at the gateway: pmz agent status";

/** That no pod of the gateway can be dialled, where that is so. */
export function withoutGateway(connection: Pick<Cluster["connection"], "gateways">): Finding | undefined {
  const pods = connection.gateways();
  if (pods.usable().length > 0) return undefined;
  return failed(
    `the tunnel to the gateway isn't up: no pod of the gateway is ready: ${pods.whyNone()}`,
    GATEWAY_REMEDY,
  );
}

/** That the API server, through which the tunnel goes, doesn't answer either, or takes no credentials, where that is so. */
export async function withoutServer(
  { api, name: { server, context } }: {
    readonly api: Pick<Api, "json">;
    readonly name: { readonly server: string; readonly context: string };
  },
): Promise<Finding | undefined> {
  const kubectl = `kubectl --context ${context} get --raw /version`;
  try {
    await api.json("GET", "/version", { what: "reach the cluster", timeoutMs: SERVER_MS });
    return undefined;
  } catch (error) {
    if (error instanceof KubeconfigError) {
      return failed(
        `there are no credentials for the API server ${server}: ${error.message}`,
        error.hint ?? `log in again, until this works: ${kubectl}`,
      );
    }
    if (ApiError.is(error, "Unauthorized")) {
      return failed(
        `the API server ${server} refuses the credentials: ${error.message}`,
        `log in again, until this works: ${kubectl}`,
      );
    }
    if (error instanceof ApiError && error.status !== 0) return undefined; // it answers
    return failed(
      `neither the gateway nor the API server ${server} answers: ${
        error instanceof Error ? error.message : error
      }`,
      `does this machine reach it, and has it moved? ${kubectl}`,
    );
  }
}

const SILENT_REMEDY = "a policy of the cluster, or a dead endpoint, drops it";

/** What came of the gateway's dial. */
export interface Dialled {
  readonly saw: Finding;
  readonly ms?: number;
  /** Whether nothing answered: a policy of the cluster may be why. */
  readonly isSilent: boolean;
}

/** Has the gateway dial. With UDP it opens its socket, and sends nothing. */
export async function dialHop(
  destination: Destination,
  { data }: Pick<ClusterRegistry, "data">,
): Promise<Dialled> {
  const to = formatEndpoint(destination.address, destination.port);
  using limit = new TimeLimit(DIAL_MS);
  let probe: Probe;
  try {
    probe = await unlessAborted(data.probe(destination), limit.signal);
  } catch (error) {
    if (!limit.signal.aborted) throw error;
    return {
      saw: failed(
        `${to} doesn't answer the gateway within ${DIAL_MS / 1000} s`,
        SILENT_REMEDY,
      ),
      isSilent: true,
    };
  }
  const { outcome, ms } = probe;
  if (outcome.kind === "done" && destination.protocol === "udp") {
    const saw = `${to}: the gateway sends datagrams there; only an answer can say whether a program listens`;
    return { saw: ok(saw), isSilent: false }; // how long it waited for an answer says nothing
  }
  if (outcome.kind === "done") return { saw: ok(`${to}: the gateway is connected`), ms, isSilent: false };
  const isSilent = outcome.kind === "refused" &&
    /timeout|timed out/.test(`${outcome.error} ${outcome.details}`);
  const remedy = isSilent
    ? SILENT_REMEDY
    : "does the program in the pod listen on that port? kubectl logs; pmz flows --failed";
  return { saw: failed(`${to}: ${formatOutcome(outcome)}`, remedy), ms, isSilent };
}
