/**
 * Copies what one caller's connection sends to the pod to the laptops of mirror rules. Who the pod is, and what it answers, is
 * decided without it.
 */
import type { AbortableTransport } from "../../net/transport.ts";
import type { MatchableRequest } from "../routing/matchable_request.ts";
import type { RoutedRule, Router } from "../routing/router.ts";
import { type Copied, Copy } from "./copy.ts";
import { openStream, type StreamRequest } from "./laptop_stream.ts";
import type { MirrorLimits } from "./mirror_limits.ts";
import type { InterceptedConnection, LaptopTunnels, RequestMirror, Upstreams } from "./upstreams.ts";

/** What a mirror needs. */
export interface MirrorParts {
  readonly about: StreamRequest;
  readonly tunnels: LaptopTunnels;
  readonly limits: MirrorLimits;
  router(): Router;
}

/** The upstreams of a connection, with a mirror of what goes to the pod where a rule may want one. */
export function mirroring(connection: InterceptedConnection, upstreams: Upstreams): Upstreams {
  const { caller, destination } = connection;
  const { flow, pod, tunnels, mirroring } = upstreams;
  if (!mirroring || !upstreams.router().mirrorsFrom(caller.address)) return upstreams;
  const mirror = new Mirror({
    about: { caller, destination, flow, pod },
    tunnels,
    limits: mirroring.limits,
    router: () => upstreams.router(),
  });
  mirroring.begun();
  return { ...upstreams, mirror, dialPod: async () => mirror.tee(await upstreams.dialPod()) };
}

export class Mirror implements RequestMirror {
  readonly #parts: MirrorParts;
  /** Of the request that is being sent. */
  #request: readonly Copy[] = [];

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  request(request: MatchableRequest): void {
    this.endRequest();
    const { about: { caller }, router } = this.#parts;
    this.#request = this.#begin(router().mirrorsOfRequest(request, caller.address), {
      method: request.method,
    });
  }

  /** Copies that have it stay as they are. */
  sentAgain(): void {
    this.#request = this.#request.filter((copy) => {
      if (copy.isEmpty) return true;
      copy.end();
      return false;
    });
  }

  endRequest(): void {
    for (const copy of this.#request) copy.end();
    this.#request = [];
  }

  /** The pod's connection: what is written there is copied. */
  tee(pod: AbortableTransport): AbortableTransport {
    const { about: { caller }, router } = this.#parts;
    const copies = this.#begin(router().mirrorsOfConnection(caller.address), "connection");
    return new TeeTransport(pod, copies, () => this.#request);
  }

  #begin(rules: readonly RoutedRule[], of: Copied): Copy[] {
    const { about, tunnels, limits } = this.#parts;
    const namespace = about.pod.slice(0, about.pod.indexOf("/"));
    return rules.flatMap(({ uid, counts }) => {
      const target = { owner: { namespace, rule: uid }, counts, open: () => openStream(tunnels, uid, about) };
      return Copy.begin(of, target, limits) ?? [];
    });
  }
}

/** A connection to the pod, of which copies are made. Hot path: a copy of each piece of bytes, where there is a mirror rule. */
class TeeTransport implements AbortableTransport {
  readonly #pod: AbortableTransport;
  readonly #connection: readonly Copy[];
  readonly #request: () => readonly Copy[];

  constructor(pod: AbortableTransport, connection: readonly Copy[], request: () => readonly Copy[]) {
    this.#pod = pod;
    this.#connection = connection;
    this.#request = request;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#pod.read(into);
  }

  async write(bytes: Uint8Array): Promise<number> {
    const length = await this.#pod.write(bytes);
    const written = length < bytes.length ? bytes.subarray(0, length) : bytes;
    for (const copy of this.#connection) copy.add(written);
    for (const copy of this.#request()) copy.add(written);
    return length;
  }

  async closeWrite(): Promise<void> {
    this.#each((copy) => copy.end());
    await this.#pod.closeWrite();
  }

  close(): void {
    this.#each((copy) => copy.end());
    this.#pod.close();
  }

  abort(reason?: Error): void {
    this.#each((copy) => copy.abort());
    this.#pod.abort(reason);
  }

  #each(then: (copy: Copy) => void): void {
    for (const copy of this.#connection) then(copy);
    for (const copy of this.#request()) then(copy);
  }
}
