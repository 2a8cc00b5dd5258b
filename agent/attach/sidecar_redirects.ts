import type { Redirect } from "../../ffi/netfilter/chains.ts";
import { Redirects } from "../../ffi/netfilter/redirects.ts";
import { type Clock, systemClock } from "../../async/clock.ts";

/** Milliseconds for which an answer holds: a pod's rules are made while it starts. */
const FRESH_MS = 1_000;

/**
 * Istio's and Kuma's sidecars take inbound connections on this port, and dial the application from 127.0.0.6 or ::6: these connections
 * are steered (bpf/intercept.bpf.c). With TPROXY, and from Istio's ztunnel, which marks what it dials, they have the caller's address.
 */
const ISTIO = 15_006;

/** Whose the ports are to which well-known sidecars have connections led. */
const sidecars: Readonly<Record<number, string>> = {
  4143: "Linkerd's sidecar: the annotation config.linkerd.io/skip-inbound-ports leaves a port out",
  20_000:
    "Consul's sidecar: the annotation consul.hashicorp.com/transparent-proxy-exclude-inbound-ports leaves a port out",
};

/** Whose they are where they keep the caller's address behind Istio's port. */
const ztunnel = "Istio's ztunnel: the label istio.io/dataplane-mode=none leaves a pod out of the mesh";
const transparent =
  "Istio's sidecar with interceptionMode TPROXY: the annotation traffic.sidecar.istio.io/excludeInboundPorts leaves a port out";

/** What tells where a port's connections are led. */
type Led = Pick<Redirects, "read"> & Disposable;

/**
 * Finds ports whose connections a packet filter of the pod leads to another port, so that no steering of theirs ever sees one: a
 * sidecar takes them there, and passes them on from inside the pod.
 */
export class SidecarRedirects implements Disposable {
  readonly #redirects: Led | undefined;
  readonly #clock: Clock;
  #known: { readonly at: number; readonly of: ReturnType<Redirects["read"]> } | undefined;

  /** To be made in the pod's network namespace. Where its packet filter can't be read, no port counts as led elsewhere. */
  constructor(
    legacyTables: (family: 4 | 6) => readonly string[],
    open: (legacyTables: (family: 4 | 6) => readonly string[]) => Led = (names) => new Redirects(names),
    clock: Clock = systemClock,
  ) {
    this.#clock = clock;
    try {
      this.#redirects = open(legacyTables);
    } catch {
      this.#redirects = undefined;
    }
  }

  /** Why a port's connections can't be steered, for people. */
  keeps(port: number): string | undefined {
    const led = this.#read()(port);
    return led && !isPassedOn(led) ? reason(port, led) : undefined;
  }

  /** The rules, as they are or were less than a second ago. */
  #read(): ReturnType<Redirects["read"]> {
    const now = this.#clock.now();
    if (this.#known && now - this.#known.at < FRESH_MS) return this.#known.of;
    this.#known = { at: now, of: this.#readNow() };
    return this.#known.of;
  }

  #readNow(): ReturnType<Redirects["read"]> {
    try {
      return this.#redirects?.read() ?? (() => undefined);
    } catch {
      return () => undefined; // the pod has ended
    }
  }

  [Symbol.dispose](): void {
    this.#redirects?.[Symbol.dispose]();
  }
}

/** Whether the connections come back to the port in a way that they are steered. */
function isPassedOn({ how, port, asksMark }: Redirect): boolean {
  return port === ISTIO && how === "REDIRECT" && !asksMark;
}

function reason(port: number, { how, port: to, isElsewhere, asksMark }: Redirect): string {
  if (isElsewhere) return `the pod leads connections to its port ${port} out of the pod (${how})`;
  const whose = to === ISTIO ? asksMark ? ztunnel : transparent : sidecars[to] ??
    "a sidecar's, as it seems: leave the port out there";
  return `the pod leads connections to its port ${port} to its port ${to} first (${how}), from where they don't come to the ` +
    `node agent (${whose})`;
}
