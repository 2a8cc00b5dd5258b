import { failed, ok, skipped } from "../../../checks/check.ts";
import { nameService } from "../../../checks/name_service.ts";
import { nameServicePaths } from "../../../checks/parts.ts";
import { warningsOf } from "../../../checks/warnings.ts";
import { DNS_PORT, nameserverProblem } from "../../../names/server/probe.ts";
import { OwnNetworks } from "../../../names/own_networks.ts";
import { Zone } from "../../../names/zone/zone.ts";
import { formatEndpoint, parseAddress } from "../../../net/address.ts";
import type { CustomName, ExplainRequest, Mode } from "../../../wire/control.ts";
import type { Service } from "../../../kube/objects/objects.ts";
import type { Explanation, Hop } from "../../../wire/explain.ts";
import type { Finding } from "../../../wire/finding.ts";
import type { Cluster } from "../../clusters/cluster.ts";
import type { ClusterRegistry } from "../../clusters/registry.ts";
import { runningPodsOf } from "../../discovery/topology.ts";
import { Failure } from "../../failure.ts";
import { rulesOf } from "../../intercepts/foreign_rules.ts";
import { readResolver } from "../../laptop/resolv_conf.ts";
import { readHosts } from "../../never_asked.ts";
import { interceptsOf } from "../status.ts";
import { type Surroundings, whyAbsent } from "./absent_name.ts";
import { dialHop, interceptHop, tunnelHop, withoutGateway, withoutServer } from "./cluster_hops.ts";
import {
  type AddressHop,
  addressHop,
  datagramsHop,
  machineHop,
  ownNetworkHop,
  programsHop,
} from "./laptop_hops.ts";
import { policiesHop } from "./policies.ts";
import {
  endpointsHop,
  portHop,
  portToDial,
  sharesPods,
  silentRemedy,
  slicesOf,
  written,
} from "./service_hops.ts";
import { findAddress, findName, type Found, type Subject } from "./subject.ts";

/** Clusters are asked in this order of their modes. */
const MODES: readonly Mode[] = ["capture", "proxy", "intercept"];
/** ExternalNames in a row. */
const LONGEST_CHAIN = 8;

const problemOf = (address: string) => nameserverProblem({ address, port: DNS_PORT });

/**
 * Follows what would become of a connection, hop by hop, until one fails that the rest depends on.
 * @throws {Failure} `not-up` when no cluster is connected
 */
export async function explain(
  asked: ExplainRequest,
  clusters: ClusterRegistry,
  custom: readonly CustomName[],
): Promise<Explanation> {
  if (clusters.all.length === 0) {
    throw new Failure("not-up", "pmz is not connected to any cluster", { hint: "run: pmz up" });
  }
  const way = new Way(asked, clusters, custom);
  await way.follow();
  return { target: way.target, hops: way.hops };
}

/** A connection's way, as far as it has been followed. */
class Way {
  readonly hops: Hop[] = [];
  readonly #asked: ExplainRequest;
  readonly #clusters: ClusterRegistry;
  readonly #custom: readonly CustomName[];
  #port: number | undefined;

  constructor(asked: ExplainRequest, clusters: ClusterRegistry, custom: readonly CustomName[]) {
    this.#asked = { ...asked, host: asked.host.toLowerCase().replace(/\.$/, "") };
    this.#clusters = clusters;
    this.#custom = custom;
    this.#port = asked.port;
  }

  /** Host and port. */
  get target(): string {
    const { host, protocol } = this.#asked;
    if (this.#port === undefined) return host;
    return `${formatEndpoint(host, this.#port)}${protocol === "udp" ? "/udp" : ""}`;
  }

  /** Adds a hop. @returns whether the way continues after it */
  #add(hop: Hop["hop"], finding: Finding, ms?: number): boolean {
    const rounded = ms === undefined ? {} : { ms: Math.round(ms * 10) / 10 };
    this.hops.push({ hop, ...finding, ...rounded });
    return finding.level !== "failed";
  }

  async follow(): Promise<void> {
    const { host, port } = this.#asked;
    const subject = parseAddress(host) ? this.#address(host) : await this.#name();
    if (!subject) return;
    const isServed = subject.kind === "service" ? this.#service(subject) : this.#pod(subject);
    const at = this.#laptop(subject);
    if (!isServed || at?.address === undefined || this.#port === undefined) return;
    await this.#cluster(subject, at.address, at.dialled ?? at.address, this.#port);
    if (this.hops.some(({ level }) => level === "failed")) return;
    if (port === undefined) {
      this.#add(
        "ping",
        skipped("ping isn't carried, only TCP and UDP are: no answer to a ping says nothing"),
      );
    }
    if (!parseAddress(host) && subject.cluster.connection.mode === "capture") {
      this.#add(
        "browser",
        skipped(
          "Chrome keeps the address of a name for a minute: after a change it may still dial the old one",
        ),
      );
    }
  }

  /** The clusters whose names answer first; of an address, that to which it leads. */
  get #all(): Cluster[] {
    const { all, laptop: { hostCapture } } = this.#clusters;
    const { host } = this.#asked;
    const place = ({ id, connection: { mode } }: Cluster) =>
      hostCapture?.isCaptured(id, host) ? -1 : MODES.indexOf(mode);
    return all.toSorted((a, b) => place(a) - place(b));
  }

  #address(address: string): Subject | undefined {
    const started = performance.now();
    const { saw, subject } = this.#findAddress(address);
    this.#add("name", saw, performance.now() - started);
    return subject;
  }

  #findAddress(text: string): Found {
    const { all, laptop: { hostCapture } } = this.#clusters;
    const meaning = hostCapture?.meaningOf(text);
    if (!meaning) return findAddress(text, this.#all);
    const found = findAddress(meaning.address, all.filter(({ id }) => id === meaning.cluster));
    if (!found.subject) return found;
    return { ...found, saw: ok(`${text} is the virtual address of ${meaning.address}; ${found.saw.saw}`) };
  }

  async #name(): Promise<Subject | undefined> {
    const resolver = await readResolver();
    const clusters = this.#all;
    const networks = new OwnNetworks();
    const zone = new Zone({
      forbidden: (address) => networks.forbids(address),
      isReached: (id, address) => clusters.some((one) => one.id === id && one.index.addresses.has(address)),
    });
    zone.setSurroundings({ hostname: resolver.hostname, searchDomains: resolver.search });
    for (const cluster of clusters) {
      zone.set({ ...cluster.zone, services: [...cluster.index.services.values()] });
    }
    zone.setCustom(this.#custom);

    const started = performance.now();
    const found = findName(this.#asked.host, zone, clusters);
    if (!found?.subject) {
      const foreign = this.#foreign();
      if (foreign) return foreign;
      this.#add(
        "name",
        await this.#whyAbsent({ zone, resolver, clusters, nameserverProblem: problemOf }),
        performance.now() - started,
      );
      return undefined;
    }
    this.#add("name", found.saw, performance.now() - started);
    const { at, leads } = this.#target(found.subject, zone);
    if (leads === undefined) {
      await this.#programs(at);
      return at;
    }
    if (at.kind === "service" && findName(leads, zone, clusters, at.cluster.id)?.subject) {
      this.#add(
        "name",
        failed(
          "the ExternalNames lead to each other, and to no address",
          `correct one of them: kubectl -n ${at.service.namespace} edit service ${at.service.name}`,
        ),
      );
      return undefined;
    }
    if (zone.owner(leads, at.cluster.id) === "absent") {
      const asked = { ...this.#asked, host: leads, lookup: undefined };
      this.#add("name", await whyAbsent(asked, { zone, resolver, clusters, nameserverProblem: problemOf }));
      return undefined;
    }
    await this.#programs(found.subject);
    if (at.kind === "service") await this.#outside(at, leads);
    return undefined;
  }

  /** A name that is no cluster's and leads to a cluster's address all the same. */
  #foreign(): Subject | undefined {
    const { host, lookup } = this.#asked;
    for (const address of lookup?.addresses ?? []) {
      const { saw, subject } = this.#findAddress(address);
      if (!subject) continue;
      this.#add("name", ok(`${host} leads to ${address}; ${saw.saw}`), lookup?.ms);
      return subject;
    }
    return undefined;
  }

  async #whyAbsent(around: Surroundings): Promise<Finding> {
    const { host } = this.#asked;
    const { rebinding = [] } = await this.#clusters.laptop.nameStats() ?? {};
    if (!rebinding.includes(host)) return await whyAbsent(this.#asked, around);
    return failed(
      `${host} is the internet's or your network's, and its nameserver's answer led to a captured address, which pmz took out of it`,
      `if that is right: pmz dns allow ${host}`,
    );
  }

  /** Where a chain of ExternalNames ends: at a subject, or one that leads to a name of no Service. */
  #target(subject: Subject, zone: Zone): { readonly at: Subject; readonly leads?: string } {
    let at = subject;
    for (let i = 0; i <= LONGEST_CHAIN; i++) {
      if (at.kind !== "service" || at.service.externalName === undefined) return { at };
      const leads = at.service.externalName.toLowerCase().replace(/\.$/, "");
      const next: Found | undefined = findName(leads, zone, this.#clusters.all, at.cluster.id);
      if (!next?.subject || i === LONGEST_CHAIN) return { at, leads };
      this.#add("name", next.saw);
      at = next.subject;
    }
    return { at };
  }

  /** What programs get for the name. */
  async #programs(subject: Subject): Promise<void> {
    const { laptop } = this.#clusters;
    const { cluster } = subject;
    if (cluster.connection.mode !== "capture" || !laptop.hostCapture) return;
    const isOutside = subject.kind === "service" && subject.service.externalName !== undefined;
    const expected = isOutside
      ? this.#asked.lookup?.addresses ?? []
      : subject.addresses.flatMap((one) => laptop.hostCapture?.reachedAt(cluster.id, one) ?? []);
    // Without an address, the hops after this one have the reason.
    if (expected.length === 0 && (this.#asked.lookup?.addresses.length ?? 0) === 0) return;
    const nameWarnings = await warningsOf([{ ...nameService, needs: [] }], {
      nameService: nameServicePaths,
      resolver: readResolver,
    });
    const { nameProblem } = laptop;
    const isUnanswered = this.#asked.lookup?.addresses.length === 0;
    const unreachedStub = isUnanswered ? await laptop.hostCapture.names.unreachedStub() : undefined;
    const around = { hosts: readHosts(), nameProblem, unreachedStub, nameWarnings };
    const saw = programsHop(this.#asked, expected, around);
    this.#add("programs", saw, this.#asked.lookup?.ms);
  }

  /** An ExternalName that leads out of the clusters. */
  async #outside(
    { cluster, service }: Extract<Subject, { kind: "service" }>,
    leads: string,
  ): Promise<void> {
    const { namespace, name } = service;
    const problems = (await this.#clusters.laptop.problems(cluster)).get(`${namespace}/${name}`) ?? [];
    for (const problem of problems) {
      this.#add("address", {
        level: "failed",
        saw: problem,
        remedy: "a Service with a clusterIP and an EndpointSlice in front of it works",
      });
    }
    if (problems.length > 0) return;
    if (cluster.connection.mode !== "capture") {
      this.#add("address", skipped(`${leads} belongs to no cluster: pmz's proxy dials it from this machine`));
      return;
    }
    if (this.#asked.lookup?.addresses.length === 0) {
      const remedy = `does a nameserver know it? getent ahosts ${leads}`;
      this.#add(
        "address",
        failed(`${leads} belongs to no cluster, and programs get no address for it`, remedy),
      );
      return;
    }
    this.#add(
      "address",
      skipped(`${leads} belongs to no cluster: this machine dials it itself, without pmz`),
    );
  }

  /** Whether a port is known that a pod may serve. */
  #pod({ cluster, addresses }: Subject): boolean {
    const { pods } = cluster.connection.topology;
    const pod = pods.values().find(({ podIPs }) => podIPs.some((one) => addresses.includes(one)));
    const kind = written[this.#asked.protocol];
    this.#port ??= pod?.containerPorts.find(({ protocol }) => protocol === kind)?.port;
    if (this.#port !== undefined) return true;
    return this.#add(
      "port",
      failed(`the pod names no ${kind} port`, `name one: pmz explain ${this.#asked.host}:PORT`),
    );
  }

  /** Whether the Service serves the port. */
  #service({ cluster, service }: Extract<Subject, { kind: "service" }>): boolean {
    const { topology } = cluster.connection;
    const slices = slicesOf(topology, service);
    this.#port = portToDial(service, slices, this.#asked);
    const hasPort = this.#add("port", portHop(service, slices, this.#asked));
    if (hasPort && this.#isAnsweredHere(cluster, service)) return true;
    const dialled = {
      protocol: this.#asked.protocol,
      ...this.#port === undefined ? {} : { port: this.#port },
    };
    return hasPort && this.#add("endpoints", endpointsHop(topology, service, slices, dialled));
  }

  /** Whether a program of this machine answers the machine's own connections to the Service's port. */
  #isAnsweredHere({ redirects }: Cluster, service: Service): boolean {
    if (this.#asked.protocol === "udp") return false;
    const port = service.ports.find(({ port, protocol }) => port === this.#port && protocol === "TCP");
    return port !== undefined && redirects.of({ service, port }) !== undefined;
  }

  /** What this machine does with a connection. @returns the address that takes it, where it comes to pmz */
  #laptop(subject: Subject): Omit<AddressHop, "saw"> | undefined {
    const { laptop } = this.#clusters;
    const { cluster, addresses } = subject;
    const service = subject.kind === "service"
      ? `${subject.service.namespace}/${subject.service.name}`
      : undefined;
    const { hostCapture, proxyAddress } = laptop;
    const { saw, ...at } = addressHop(addresses, {
      cluster: cluster.id,
      mode: cluster.connection.mode,
      comingUp: cluster.comingUp,
      hostCapture,
      unreachable: laptop.unreachable(cluster).filter((one) =>
        one.service === service || addresses.includes(one.address)
      ),
      proxy: proxyAddress,
      usesProxy: Object.values(this.#asked.environment?.variables ?? {}).some((value) =>
        proxyAddress !== undefined && value.includes(`://${proxyAddress}`)
      ),
    });
    return this.#add("address", saw) ? at : undefined;
  }

  /** What becomes of it from here on. */
  async #cluster(subject: Subject, address: string, localAddress: string, port: number): Promise<void> {
    const { cluster } = subject;
    const { connection } = cluster;
    const { hostCapture } = this.#clusters.laptop;
    if (connection.mode === "capture" && hostCapture) {
      const started = performance.now();
      const passedBy = await ownNetworkHop(hostCapture);
      const saw = this.#asked.protocol === "udp"
        ? datagramsHop(passedBy, hostCapture.udpRefusal(localAddress, port))
        : await machineHop(hostCapture, localAddress, port, passedBy);
      if (!this.#add("machine", saw, performance.now() - started)) return;
    }
    if (subject.kind === "service") {
      const own = interceptsOf(this.#clusters).flatMap((one) => one.cluster === cluster ? [one.entry] : []);
      const rules = await rulesOf(connection.api, connection.name.namespace);
      const saw = interceptHop(
        subject.service,
        port,
        own,
        rules,
        (other) => sharesPods(connection.topology, subject.service, port, other),
        (await this.#clusters.data.counts(cluster.id)).lostNodes,
      );
      if (saw) this.#add("intercept", saw);
      if (this.#isAnsweredHere(cluster, subject.service)) return;
    }
    const { roundTripMs } = await this.#clusters.data.counts(cluster.id);
    if (!this.#add("tunnel", await tunnelHop(cluster, roundTripMs))) return;
    const dialled = await dialHop(
      { protocol: this.#asked.protocol, cluster: cluster.id, address, port },
      this.#clusters,
    );
    // A gateway that is ending takes no more connections, and a network that is gone is noticed seconds later.
    const gone = dialled.isSilent ? withoutGateway(connection) ?? await withoutServer(connection) : undefined;
    if (gone) {
      this.hops.splice(this.hops.findIndex(({ hop }) => hop === "tunnel"), 1);
      this.#add("tunnel", gone);
      return;
    }
    const policies = dialled.isSilent ? await this.#policies(subject, address) : undefined;
    const isCause = policies?.level === "warning";
    const remedy = dialled.isSilent && !isCause ? this.#silentRemedy(subject) : undefined;
    const saw = remedy === undefined ? dialled.saw : failed(dialled.saw.saw, remedy);
    this.#add("dial", saw, dialled.ms);
    if (policies) this.#add("policies", policies);
  }

  /** What to do where no policy is known that would keep an answer away. */
  #silentRemedy(subject: Subject): string {
    const { topology } = subject.cluster.connection;
    if (subject.kind === "service") return silentRemedy(subject.service, slicesOf(topology, subject.service));
    const pod = topology.pods.values().find(({ podIPs }) =>
      podIPs.some((one) => subject.addresses.includes(one))
    );
    return pod
      ? `does the pod's node run? kubectl -n ${pod.namespace} get pod ${pod.name} -o wide`
      : "does the machine there run?";
  }

  async #policies(subject: Subject, address: string): Promise<Finding | undefined> {
    const { api, topology } = subject.cluster.connection;
    const pods = subject.kind === "service" && subject.service.selector
      ? runningPodsOf(topology, subject.service)
      : [...topology.pods.values()].filter(({ podIPs }) => podIPs.includes(address));
    const namespace = subject.kind === "service" ? subject.service.namespace : pods[0]?.namespace;
    return namespace === undefined ? undefined : await policiesHop(api, namespace, pods);
  }
}
