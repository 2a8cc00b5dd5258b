/**
 * Redirects: connections of this laptop's own programs to a Service port that a program of this laptop answers, instead of the
 * cluster. They are decided here alone: the cluster knows nothing of them.
 */
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import type { ListenerFamilies } from "../ffi/proc/listener_family.ts";
import { formatEndpoint } from "../net/address.ts";
import { hostAddresses } from "../net/host_addresses.ts";
import type { AbortableTransport } from "../net/transport.ts";
import { dialLocal, LocalRefusal } from "./local_target.ts";
import { Intercepted } from "./local_targets.ts";
import { LocalTransport } from "./local_transport.ts";
import type { Place, Redirect, RuleCounts } from "./protocol.ts";

/**
 * Connections that one redirect may have open in a worker. A program that calls the Service that it answers by way of another
 * program, which pmz can't see as its own, ends here and not with the machine's descriptors.
 */
const MOST_OPEN = 1_000;

/** Shared by a redirect and what it is replaced by. */
interface Connections {
  readonly open: Set<LocalTransport>;
  /** Why there are no further ones. */
  ended?: string;
}

/** A redirect, and its connections. */
export class Redirected extends Intercepted {
  readonly places: readonly Place[];
  readonly #connections: Connections;
  readonly #families: Pick<ListenerFamilies, "isFrom">;

  constructor(redirect: Redirect, families: Pick<ListenerFamilies, "isFrom">, before?: Redirected) {
    super(redirect, before);
    this.places = redirect.places;
    this.#connections = before === undefined ? { open: new Set() } : before.#connections;
    this.#families = families;
  }

  /** Whether a connection comes from the program that answers: it reaches the cluster, and doesn't call itself. */
  async isOwn(connection: ConnectionEnds): Promise<boolean> {
    const { host, localPort: port } = this.target;
    const addresses = await hostAddresses(host).catch(() => []);
    return await this.#families.isFrom(connection, { addresses, port });
  }

  /** Connects to the program. @throws {LocalRefusal} */
  async dial(): Promise<LocalTransport> {
    const { host, localPort } = this.target;
    const where = formatEndpoint(host, localPort);
    if (this.#connections.open.size >= MOST_OPEN) {
      throw new LocalRefusal(
        "connection_limit_reached",
        `${MOST_OPEN} connections are open to ${where}: does it call the Service by way of another program?`,
      );
    }
    return this.#begun(await dialLocal(host, localPort), where);
  }

  #begun(socket: AbortableTransport, where: string): LocalTransport {
    const { ended } = this.#connections;
    if (ended !== undefined) {
      socket.abort();
      throw new LocalRefusal("destination_unavailable", ended);
    }
    const transport = new LocalTransport(socket, `the program at ${where}`);
    this.#connections.open.add(transport);
    this.begin();
    transport.closed.then(() => {
      this.#connections.open.delete(transport);
      this.end();
    });
    return transport;
  }

  /** Closes all of its connections: they lead elsewhere from now on. */
  close(why: string): void {
    for (const transport of this.#connections.open) transport.reroute(why);
  }

  /** As `close`; those that are being dialled lead nowhere. */
  retire(why: string): void {
    this.#connections.ended = why;
    this.close(why);
  }
}

/** The redirects of all clusters. */
export class Redirects {
  readonly #families: Pick<ListenerFamilies, "isFrom">;
  readonly #all = new Map<string, Map<string, Redirected>>();
  readonly #byPlace = new Map<string, Redirected>();

  constructor(families: Pick<ListenerFamilies, "isFrom">) {
    this.#families = families;
  }

  /**
   * Replaces the redirects of a cluster. Those that stay as they are keep their connections and counts.
   * @returns the places that had none before: open connections to them lead elsewhere from now on
   */
  replace(cluster: string, redirects: readonly Redirect[]): Place[] {
    const before = this.#all.get(cluster) ?? new Map<string, Redirected>();
    const now = new Map(redirects.map((redirect) => {
      const same = before.get(redirect.rule);
      return [redirect.rule, new Redirected(redirect, this.#families, same)];
    }));
    const had = new Set<string>();
    for (const redirected of before.values()) {
      for (const place of redirected.places) {
        had.add(keyOf(cluster, place));
        this.#byPlace.delete(keyOf(cluster, place));
      }
    }
    for (const [rule, redirected] of before) {
      const after = now.get(rule)?.target;
      const { host, localPort } = redirected.target;
      if (after === undefined) redirected.retire("its intercept has ended");
      else if (after.host !== host || after.localPort !== localPort) {
        redirected.close("its intercept leads to another program now");
      }
    }
    if (now.size > 0) this.#all.set(cluster, now);
    else this.#all.delete(cluster);
    const fresh: Place[] = [];
    for (const redirected of now.values()) {
      for (const place of redirected.places) {
        this.#byPlace.set(keyOf(cluster, place), redirected);
        if (!had.has(keyOf(cluster, place))) fresh.push(place);
      }
    }
    return fresh;
  }

  /**
   * The redirect of a connection to a cluster's address.
   * @param connection its ends as its listener sees it; asked for where there is a redirect
   */
  async of(
    cluster: string,
    place: Place,
    connection: () => ConnectionEnds,
  ): Promise<Redirected | undefined> {
    const redirected = this.#byPlace.get(keyOf(cluster, place));
    return redirected === undefined || await redirected.isOwn(connection()) ? undefined : redirected;
  }

  /** Whether there are any: of most laptops there are none, and their connections wait for nothing. */
  get any(): boolean {
    return this.#byPlace.size > 0;
  }

  counts(cluster: string): RuleCounts[] {
    return [...this.#all.get(cluster)?.values() ?? []].map(({ count }) => count);
  }
}

function keyOf(cluster: string, { address, port }: Place): string {
  return `${cluster} ${formatEndpoint(address, port)}`;
}
