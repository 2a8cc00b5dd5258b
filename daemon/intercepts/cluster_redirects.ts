import type { InterceptEntry } from "../../wire/control.ts";
import type { Place, Redirect, RuleCounts } from "../../dataplane/plane.ts";
import type { NamedPort, ServiceNames } from "../../names/zone/zone_data.ts";
import { formatEndpoint } from "../../net/address.ts";
import type { LocalEnd } from "./local_program.ts";
import { LocalPrograms, type LocalProgramsParts } from "./local_programs.ts";
import type { InterceptTarget } from "./target.ts";

/** An intercept of this laptop's own connections alone. The cluster knows nothing of it. */
export interface OwnIntercept {
  readonly target: InterceptTarget;
  readonly local: LocalEnd;
  readonly since: string;
  /** When it ends by itself, RFC 3339. */
  readonly until?: string;
}

/** What ClusterRedirects needs of its cluster. */
export interface RedirectedCluster {
  readonly id: string;
  /** What a Service's names lead to, by "namespace/name"; undefined when there is no such Service. */
  names(service: string): ServiceNames | undefined;
  /** A program of this laptop answers a Service's port now, or doesn't any more. */
  answer(service: string, port: number, isAnswered: boolean): void;
  /** Tells the data plane. */
  tell(redirects: readonly Redirect[]): void;
}

/** The intercepts of this laptop's own connections in one cluster. */
export class ClusterRedirects implements Disposable {
  readonly #cluster: RedirectedCluster;
  readonly #all = new Map<string, OwnIntercept>();
  readonly #programs: LocalPrograms;
  #told = "[]";

  constructor(cluster: RedirectedCluster, programs: Omit<LocalProgramsParts, "wanted"> = {}) {
    this.#cluster = cluster;
    this.#programs = new LocalPrograms({
      ...programs,
      wanted: () => [...this.#all.values()].map(({ local }) => local),
    });
  }

  get any(): boolean {
    return this.#all.size > 0;
  }

  /** The intercept of a Service's port; undefined without one. */
  of(target: InterceptTarget): OwnIntercept | undefined {
    return this.#all.get(keyOf(target));
  }

  /** Adds one, or replaces the one of the same port. */
  add(own: OwnIntercept): void {
    this.#all.set(keyOf(own.target), own);
    this.changed();
    this.#cluster.answer(serviceOf(own.target), own.target.port.port, true);
  }

  remove({ target }: OwnIntercept): void {
    if (!this.#all.delete(keyOf(target))) return;
    this.changed();
    this.#cluster.answer(serviceOf(target), target.port.port, false);
  }

  /** Tells the data plane where Services are now. */
  changed(): void {
    const redirects = [...this.#all].map(([key, { target, local }]): Redirect => ({
      protocol: "tcp",
      rule: key,
      intercept: idOf(target),
      port: target.port.port,
      host: local.host,
      localPort: local.port,
      places: this.#places(target),
    }));
    const text = JSON.stringify(redirects);
    if (text === this.#told) return;
    this.#told = text;
    this.#cluster.tell(redirects);
  }

  #places(target: InterceptTarget): Place[] {
    const names = this.#cluster.names(serviceOf(target));
    return names === undefined ? [] : placesOf(names, target.port);
  }

  /** Looks whether programs listen where connections lead; they are followed from then on. */
  async lookAtPrograms(): Promise<void> {
    await this.#programs.look();
  }

  /** Every one, with the connections that were counted of each; 0 without counts. */
  entries(counts: readonly RuleCounts[] = []): { entry: InterceptEntry; own: OwnIntercept }[] {
    return [...this.#all].map(([key, own]) => {
      const { target: { service, port }, local, since, until } = own;
      const counted = counts.find(({ rule }) => rule === key);
      const silentSince = this.#programs.silentSince(local);
      const problem = this.#problem(own.target);
      const entry: InterceptEntry = {
        id: idOf(own.target),
        cluster: this.#cluster.id,
        namespace: service.namespace,
        service: service.name,
        port: port.port,
        ...(port.name ? { portName: port.name } : {}),
        local: formatEndpoint(local.host, local.port),
        since,
        mine: true,
        pods: { ready: 0, all: 0 },
        connections: { open: counted?.open ?? 0, total: counted?.total ?? 0 },
        alsoTaken: [],
        ...(silentSince === undefined ? {} : { silentSince }),
        ...(until === undefined ? {} : { until }),
        others: [],
        problems: problem === undefined ? [] : [problem],
      };
      return { entry, own };
    });
  }

  #problem(target: InterceptTarget): string | undefined {
    const names = this.#cluster.names(serviceOf(target));
    const { name, namespace } = target.service;
    if (names === undefined) return `there is no Service ${name} in the namespace ${namespace} any more`;
    if (placesOf(names, target.port).length > 0) return undefined;
    if (!names.headless) return `${name}.${namespace} has no address that this machine reaches`;
    return `${name}.${namespace} is headless and has no ready pod: its name leads nowhere`;
  }

  [Symbol.dispose](): void {
    this.#programs[Symbol.dispose]();
  }
}

/** Where a Service's name leads a connection to one of its ports. That of a headless one leads to its pods' own port. */
function placesOf(names: ServiceNames, { name, port }: InterceptTarget["port"]): Place[] {
  if (!names.headless) return names.addresses.map((address) => ({ address, port }));
  const isMeant = (one: NamedPort) => one.protocol === "TCP" && (one.name ?? "") === name;
  const places = (names.endpoints ?? []).flatMap(({ ports, endpoints }) =>
    ports.filter(isMeant).flatMap(({ port }) =>
      port === undefined
        ? []
        : endpoints.flatMap(({ addresses }) => addresses.map((address) => ({ address, port })))
    )
  );
  return places.toSorted((a, b) => a.address.localeCompare(b.address) || a.port - b.port);
}

function serviceOf({ service }: InterceptTarget): string {
  return `${service.namespace}/${service.name}`;
}

function keyOf(target: InterceptTarget): string {
  return `${serviceOf(target)}:${target.port.port}`;
}

/** As users see it. No rule in the cluster ends so: their suffixes have eight letters. */
function idOf({ service, port }: InterceptTarget): string {
  return `${service.name}.${service.namespace}:${port.port}/mine`;
}
